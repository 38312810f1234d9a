// The crash run, short enough for every test run; `npm run crash` is the long one.

import t from 'tap'
import { crashRun } from './crash-run.js'
import { scratchFolder } from './scratch-folder.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

t.test('Crash: a broker killed under load keeps every promise (kill -9, also while it starts)', async t => {
  await using folder = await scratchFolder()
  const report = await crashRun({ rounds: 2, seed: 20, folder: folder.path, damage: false })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.ok(report.acknowledged > 0 && report.delivered > 0 && report.commits > 0, 'there was something to lose')
  t.ok(report.kills >= 2)
})

t.test('Crash: a broker keeps every promise (kill -9, torn tails, meta store lost or old)', async t => {
  await using folder = await scratchFolder()
  const report = await crashRun({ rounds: 4, seed: 9, folder: folder.path })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
})
