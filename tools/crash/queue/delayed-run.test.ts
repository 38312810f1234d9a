// Delayed records over kills, few enough for every test run; `npm run crash -- delayed` is the one with 100,000.

import t from 'tap'
import { scratchFolder } from '../scratch-folder.js'
import { delayedRun } from './delayed-run.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

t.test('Queue crash: delayed records come once they are due, over kills of the broker, and others stay', async t => {
  await using folder = await scratchFolder()
  // How late is a matter of the machine; that all come and none too early is not.
  const report = await delayedRun({ records: 2_000, folder: folder.path, overMs: 2_000, lateMsMax: 30_000 })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.equal(report.kills, 2)
})
