// A process of BulkRun: is sent ranges of seeds, and answers with what they came to.

import { simulateRange, type SeedRange } from './simulate.js'

const twice = process.argv.includes('twice')

process.on('message', (range: SeedRange) => {
  void simulateRange(range, { twice }).then(totals => { process.send!(totals) })
})
