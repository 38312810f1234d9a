// `bench failover` on a cluster of real processes, and clusters as contenders of other workloads. Nothing here asserts
// a speed.

import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { RUN_DEFAULTS, runWorkload } from '../bench-run.js'
import { BenchCluster } from '../process/bench-cluster.js'
import { sumOfUsages } from '../process/cluster-usage.js'
import type { BrokerUsage } from '../process/calls.js'
import { reportTable } from '../report.js'
import { PLAIN_PRODUCE } from '../workload.js'
import { failoverTable } from './failover-report.js'
import { gapSpread, type FailoverResult, type Fault } from './failover-result.js'
import { measureCluster, measureFailover, watchFailover } from './measure-failover.js'

t.setTimeout(240_000)

const skip = spawnSync('etcd', ['--version']).error === undefined ? false : 'etcd is not installed'
const PLAN = { partitions: 4, replicas: null, rate: 200, size: 50, rounds: 1 }

async function scratch (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-failover-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('Failover: medians and tails over partitions', async t => {
  t.same(gapSpread([5]), { median: 5, p99: 5, max: 5 })
  t.same(gapSpread(Array.from({ length: 1_000 }, (_, index) => 1_000 - index)), { median: 501, p99: 991, max: 1_000 })
})

function checkRound (t: Test, fault: Fault, result: FailoverResult): void {
  const [round] = result.rounds
  t.match(round, { partitions: 2, failures: [] })
  t.ok(round!.gapMs.max > 0 && round!.acknowledged > 0)
  t.equal(round!.backAfterMs === null, fault === 'stop', 'a broker that hands over has never been gone')
  t.equal(round!.stopMs === null, fault !== 'stop')
  t.match(failoverTable(result), new RegExp(`3 brokers, ${fault}; 4 partitions[^]*over the rounds: median gap`))
}

t.test('Failover: a round comes to its end with no record lost to the application (kill)', { skip }, async t => {
  const folder = await scratch(t)
  checkRound(t, 'kill', await measureFailover({ ...PLAN, fault: 'kill' }, { folder, brokers: 3, brokerOptions: {} }))
  t.same(await readdir(folder), [], 'the data is gone')
})

t.test('Failover: on a cluster that is there', { skip }, async t => {
  const settings = { folder: await scratch(t), brokers: 3, brokerOptions: {} }
  const cluster = await BenchCluster.start(settings)
  t.teardown(() => cluster.stop())
  for (const fault of ['stop', 'freeze'] as const) {
    await t.test(`Failover: a round comes to its end with no record lost to the application (${fault})`, async t => {
      checkRound(t, fault, await measureCluster({ ...PLAN, fault }, cluster, settings))
    })
  }
  await t.test('Failover: a cluster is watched, and left as it was', async t => {
    const result = await watchFailover({ ...PLAN, fault: 'none' }, cluster.addresses, 500)
    t.match(result, { brokers: null, failedRecords: 0, backAfterMsMax: null, rounds: [{ victim: -1, partitions: 4 }] })
    t.match(failoverTable(result), /watched; 4 partitions/)
  })
})

t.test('Bench: a cluster beside one broker, with what a record costs each of its brokers', { skip }, async t => {
  const result = await runWorkload(PLAIN_PRODUCE, {
    ...RUN_DEFAULTS, folder: await scratch(t), rounds: 1, warmupMs: 100, durationMs: 500, bare: [], brokers: 3,
  })
  t.same(result.summaries.map(({ contender }) => contender), ['sluice', 'one broker'])
  t.same(result.ratios.map(({ to }) => to), ['one broker'])
  const [cluster, one] = result.samples
  t.equal(cluster!.server.brokers!.length, 3)
  t.ok(cluster!.server.brokers![0]!.peerSentBytes > 100 * cluster!.records, 'a follower at least has each record by then')
  t.equal(one!.server.brokers, undefined)
  t.match(reportTable(result), /sluice by one broker: rate[^]*leader[^]*follower 1[^]*follower 2/)
})

t.test('Bench: what brokers use adds up, the leader first', async t => {
  const usage = (peerSentBytes: number): BrokerUsage => ({
    cpuSeconds: 1,
    userSeconds: 1,
    systemSeconds: 0,
    rssBytesMax: 10,
    gcSeconds: 0,
    gcCount: 1,
    gcMajorCount: 0,
    eventLoopDelayP50Us: peerSentBytes,
    eventLoopDelayP99Us: peerSentBytes,
    eventLoopDelayMaxUs: peerSentBytes,
    peerSentBytes,
    peerSentFrames: 1,
  })
  const sum = sumOfUsages([usage(1), usage(30), usage(2)])
  t.match(sum, { cpuSeconds: 3, rssBytesMax: 30, gcCount: 3, eventLoopDelayMaxUs: 30 })
  t.same(sum.brokers.map(({ peerSentBytes }) => peerSentBytes), [30, 2, 1])
})
