// The crash run of a cluster, short enough for every test run; `npm run crash -- cluster` is the long one.

import t from 'tap'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'
import { scratchFolder } from '../scratch-folder.js'
import { clusterRun } from './cluster-run.js'

// Many real processes on a machine that may be busy with others.
t.setTimeout(400_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'

t.test('Cluster crash: three brokers keep every promise (killed, frozen, cut off; then all are killed or stopped)', { skip }, async t => {
  await using folder = await scratchFolder()
  const { violations, ...report } = await clusterRun({
    brokers: 3,
    etcdMembers: 1,
    seed: 12,
    faults: 2,
    faultsPerChapter: 2,
    records: 1,
    recordsPerSecond: 600,
    only: ['kill-leader', 'freeze-leader', 'cut-one-way'],
    folder: folder.path,
  })
  t.comment(JSON.stringify(report))
  t.strictSame(violations, [])
  t.ok(report.acknowledged > 0 && report.polled > 0 && report.commits > 0, 'there was something to lose')
  t.ok(report.queues.delivered > 0 && report.queues.settled > 0)
})
