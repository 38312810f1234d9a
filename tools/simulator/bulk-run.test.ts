// Many seeds by several processes, stopped and gone on with: the same totals as in one go.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { BulkRun } from './bulk-run.js'
import type { SeedTotals } from './seed-totals.js'
import { simulateRange } from './simulate.js'

function withoutTime ({ cpuMs, counts, ...rest }: SeedTotals): object {
  return { ...rest, counts: Object.entries(counts).sort() }
}

t.test('BulkRun: seeds come to the same in two processes, and in two goes', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bulk-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const progressPath = join(folder, 'progress')
  const options = { from: 1, jobs: 2, twice: false, progressPath, report: () => {} }
  const expected = await simulateRange({ from: 1, count: 30 })
  const none = await new BulkRun({ ...options, seeds: 30, secondsMax: 0 }).run()
  t.equal(none.seeds, 0, 'out of time before it began')
  await new BulkRun({ ...options, seeds: 10, secondsMax: Infinity }).run()
  t.equal(JSON.parse(await readFile(progressPath, 'utf8')).next, 11)
  const all = await new BulkRun({ ...options, seeds: 30, secondsMax: Infinity }).run()
  t.same(withoutTime(all), withoutTime(expected))
  const again = await new BulkRun({ ...options, seeds: 30, secondsMax: Infinity }).run()
  t.equal(again.seeds, 30, 'nothing is run twice')
  t.throws(() => new BulkRun({ ...options, from: 2, seeds: 30, secondsMax: Infinity }), /go on with --from 1/,
    'totals of other seeds are not written over')
})
