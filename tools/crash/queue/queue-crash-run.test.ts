// The crash run of queues, short enough for every test run; `npm run crash -- queue` is the long one.

import t from 'tap'
import { scratchFolder } from '../scratch-folder.js'
import { queueCrashRun } from './queue-crash-run.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

t.test('Queue crash: brokers and workers that are killed under load break no promise (kill -9, cut connections, SIGSTOP)', async t => {
  await using folder = await scratchFolder()
  // How late is a matter of the machine; that it comes at all is not.
  const report = await queueCrashRun({ rounds: 4, seed: 3, folder: folder.path, lateMsMax: 30_000 })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.ok(report.sent > 100 && report.delivered > 100 && report.settled > 100, 'there was something to lose')
  t.ok(report.brokerKills > 0 && report.workerKills > 0)
})
