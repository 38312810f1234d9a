// A cluster whose machines lose power, one by one and all at once, short enough for every test run; the long one is
// `npm run crash -- power`.

import t from 'tap'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'
import { scratchFolder } from '../scratch-folder.js'
import { whyNoPowerLoss } from './build-layer.js'
import { clusterPowerRun } from './cluster-power-run.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(400_000)

const skip = await isEtcdInstalled() ? await whyNoPowerLoss() : 'etcd is not installed'

t.test('Power loss: a cluster keeps what a majority has synced (one machine, then all of them at once)', { skip }, async t => {
  await using folder = await scratchFolder()
  const report = await clusterPowerRun({ rounds: 2, seed: 5, folder: folder.path })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.ok(report.acknowledged > 0 && report.lostChanges > 0 && report.blackouts > 0, 'there was something to lose, and was lost')
})

t.test('Power loss: a cluster that acknowledges before it syncs is noticed', { skip }, async t => {
  await using folder = await scratchFolder()
  const report = await clusterPowerRun({ rounds: 10, seed: 34, folder: folder.path, unsyncedTopics: true })
  t.ok(report.violations.length > 0, `after ${report.powerLosses} power losses`)
})
