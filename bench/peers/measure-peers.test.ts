// A peer for a moment, where it is installed; and what happens where it is not. Nothing here asserts a speed.

import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { librariesFolder, librariesOf } from './libraries.js'
import { measurePeers, type PeersSettings } from './measure-peers.js'
import { peerOf, PEER_NAMES, type PeerName } from './peer-table.js'
import type { PeerWorkloadName } from './peer-workloads.js'
import { peersTable } from './peers-report.js'
import type { PeersResult } from './peers-result.js'
import { findPeer } from './servers/start-peer.js'

t.setTimeout(240_000)

/** The quickest to start; what is installed of them is measured. */
const QUICK: readonly PeerName[] = ['redis-always', 'jetstream', 'beanstalkd']
const WORKLOADS: readonly PeerWorkloadName[] = ['produce-100', 'e2e-1000']

async function settingsFor (t: Test): Promise<PeersSettings> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-peers-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return { rounds: 1, warmupMs: 50, durationMs: 20_000, count: 20, folder, brokerOptions: {}, brokers: 1 }
}

t.test('Peers: where neither server nor library is here, nothing is started, and each has its reason', async t => {
  const settings = await settingsFor(t)
  const options = { peers: PEER_NAMES, workloads: WORKLOADS, libraries: join(settings.folder, 'nothing') }
  const error = await measurePeers(options, settings).then(() => null, (reason: Error) => reason)
  t.match(error, { name: 'BenchError', exitCode: 2 })
  for (const name of PEER_NAMES) t.match(error!.message, peerOf(name).title)
  t.match(error!.message, /is not installed|is installed/)
  t.same(await readdir(settings.folder), [])
})

const found = await Promise.all(QUICK.map(async name => ({ name, ...await findPeer(name, librariesFolder()) })))
const quick = found.find(peer => !('missing' in peer))?.name
const missing = found.map(peer => 'missing' in peer ? `${peer.name}: ${peer.missing}` : '').join('; ')

t.test('Peers: a real one is measured beside Sluice and the bare loop, and a run is taken up again', {
  skip: quick === undefined ? missing : false,
}, async t => {
  const settings = await settingsFor(t)
  const options = { peers: [quick!], workloads: WORKLOADS, libraries: librariesFolder() }
  const kept: PeersResult[] = []
  const onSample = async (result: PeersResult): Promise<void> => { kept.push(JSON.parse(JSON.stringify(result))) }
  const result = await measurePeers(options, { ...settings, onSample }, null)
  t.same(result.workloads.map(({ name }) => name), WORKLOADS)
  for (const { samples, rows, skipped } of result.workloads) {
    t.same(rows.map(({ contender }) => contender), ['sluice', 'bare overlap', quick])
    t.same(skipped, [])
    for (const sample of samples) t.ok(sample.records > 0, `${sample.contender} did ${sample.records} records`)
    t.match(rows[2]!.versions, librariesOf(peerOf(quick!).client, librariesFolder())!)
    t.ok(rows[2]!.ratio!.recordsPerSecond.median > 0)
  }
  t.ok(result.workloads[1]!.rows[2]!.latency!.p50Us > 0)
  t.match(peersTable(result), peerOf(quick!).title)
  t.same(await readdir(settings.folder), [], 'nothing is left behind')
  const again = await measurePeers(options, settings, kept[3]!)
  t.same(again.workloads[0], kept[3]!.workloads[0], 'what was measured before is not measured again')
  t.equal(again.workloads[1]!.samples.length, 3)
})

const jetstream = await findPeer('jetstream', librariesFolder())
const etcd = spawnSync('etcd', ['--version']).error === undefined

t.test('Peers: clusters of three, and those that cannot be one are left out with the reason', {
  skip: 'missing' in jetstream ? jetstream.missing : etcd ? false : 'etcd is not installed',
}, async t => {
  const settings = { ...await settingsFor(t), brokers: 3 }
  const options = { peers: ['jetstream', 'beanstalkd'] as const, workloads: ['produce-100'] as const, libraries: librariesFolder() }
  const result = await measurePeers(options, settings)
  const [work] = result.workloads
  t.same(work!.rows.map(({ title }) => title), ['Sluice, 3 brokers', 'one broker', 'bare overlap', 'NATS JetStream'])
  t.match(work!.rows[0], { durability: 'synced by a majority' })
  t.match(work!.skipped, [{ contender: 'beanstalkd', reason: /no cluster/ }])
  t.match(peersTable(result), /^clusters of 3/)
  t.same(await readdir(settings.folder), [], 'nothing is left behind')
})
