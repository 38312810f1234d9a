// Disks of a cluster that are replaced, put back from a copy, or damaged, one broker's at a time: what was acknowledged
// is there all the while, the replica is made good from the others, and `sluice cluster status` tells how far that is.
//
// All cases strike the same cluster, one after the other: each takes a broker down, does something to its folder while
// records come, and starts it again. Then the broker itself has to serve every record, from its own files, and to count
// for a majority. In the end `segment verify` has to find nothing on any disk.

import { cp, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, string } from '@sluice/client'
import t, { type Test } from 'tap'
import { runCommand } from '../../cli/testing/command-process.js'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'
import { batchesOf, flipBit, segmentFiles } from '../damage.js'
import { readPartition, topicIds } from '../read-partition.js'
import { scratchFolder } from '../scratch-folder.js'
import { WirePeer } from '../wire-peer.js'

// Processes start and stop, which takes its time on a busy machine.
t.setTimeout(400_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'
const TEXT = { value: string() }
const RECORDS = 300
const FILLER = 'x'.repeat(1_000)

interface World {
  readonly cluster: LocalCluster
  readonly topicId: string
  /** Sends so many records; all of them are acknowledged when it resolves. */
  readonly send: (count: number) => Promise<void>
  /** The exit code of `sluice cluster status`. */
  readonly status: () => Promise<number | null>
  /** Resolves when all brokers are there, every replica counts and nothing is being copied. */
  readonly healed: () => Promise<void>
  /** Resolves when a broker, asked alone, serves every record that was acknowledged. */
  readonly servesAll: (id: number) => Promise<void>
  readonly leader: () => Promise<number>
}

async function startWorld (t: Test): Promise<World> {
  const folder = await scratchFolder()
  const cluster = await LocalCluster.start({ folder: folder.path, brokers: 3, options: { 'checkpoint-interval': '100ms' } })
  const client = connect({ brokers: cluster.addresses, retry: { initialDelayMs: 20, maxDelayMs: 200 } })
  t.teardown(async () => {
    await client.close()
    await cluster.stop()
    await folder[Symbol.asyncDispose]()
  })
  const config = { 'segment.bytes': 65_536, 'max.batch.bytes': 16_384 }
  await client.admin.createTopic('orders', { partitions: 1, replicas: 3, config })
  const topicId = await withPeer(cluster, 1, async peer => (await topicIds(peer, ['orders'])).get('orders')!)
  const producer = client.topic('orders', TEXT).producer({ batchBytes: 8_192 })
  t.teardown(() => producer.close())
  let sent = 0
  return {
    cluster,
    topicId,
    status: async () =>
      (await runCommand(['cluster', 'status'], '', { SLUICE_BROKERS: cluster.addresses.join(',') })).code,
    async send (count) {
      await Promise.all(Array.from({ length: count }, () => producer.send({ value: `${sent++}/${FILLER}` })))
    },
    async healed () {
      await until(async () => {
        const { brokers, leaderless, underReplicated } = await client.admin.clusterStatus()
        return leaderless === 0 && underReplicated === 0 &&
          brokers.every(({ state, learners }) => state === 'online' && learners === 0)
      })
    },
    async servesAll (id) {
      await until(() => withPeer(cluster, id, async peer => {
        const numbers = new Set<string>()
        await readPartition(peer, { topicId, partition: 0 }, 0, {
          // Leaders have records of their own.
          onRecord: ({ value }) => { if (value?.endsWith(FILLER) === true) numbers.add(value) },
        })
        return numbers.size === sent
      }))
    },
    leader: async () => (await client.admin.describeTopic('orders')).partitions[0]!.leader,
  }
}

async function withPeer<T> (cluster: LocalCluster, id: number, ask: (peer: WirePeer) => Promise<T>): Promise<T> {
  await using peer = await WirePeer.connect(cluster.broker(id).port)
  return await ask(peer)
}

/** Waits for something that must come; what fails until then is tried again. The test ends by tap's timeout. */
async function until (holds: () => Promise<boolean>): Promise<void> {
  while (!await holds().catch(() => false)) await new Promise(resolve => setTimeout(resolve, 100))
}

type Role = 'follower' | 'leader'

/** What becomes of the data folder of a broker that is down; the topic's only partition has some segments by then. */
interface Mishap {
  readonly name: string
  readonly roles: readonly Role[]
  /** It takes a copy of the folder that was made earlier. */
  readonly needsCopy?: boolean
  readonly strike: (data: string, topicId: string, olderCopy: string) => Promise<unknown>
}

const MISHAPS: readonly Mishap[] = [
  { name: 'the folder is gone', roles: ['leader'], strike: data => rm(data, { recursive: true }) },
  { name: 'the meta store is gone', roles: ['follower', 'leader'], strike: data => rm(join(data, 'meta'), { recursive: true }) },
  {
    name: 'a flipped bit in a sealed segment',
    roles: ['follower'],
    async strike (data, topicId) {
      const { path, position } = (await batchesOf((await segmentFiles(data, topicId, 0))[0]!)).at(2)!
      await flipBit(path, position + 200, 3)
    },
  },
  {
    name: 'a flipped bit in the newest segment',
    roles: ['leader'],
    async strike (data, topicId) {
      const { path, position } = (await batchesOf((await segmentFiles(data, topicId, 0)).at(-1)!)).at(0)!
      await flipBit(path, position + 200, 3)
    },
  },
  {
    name: 'a segment is missing',
    roles: ['follower'],
    strike: async (data, topicId) => await unlink((await segmentFiles(data, topicId, 0)).at(1)!),
  },
  {
    name: 'an older copy of the folder',
    roles: ['follower'],
    needsCopy: true,
    async strike (data, _, olderCopy) {
      await rm(data, { recursive: true })
      await cp(olderCopy, data, { recursive: true })
    },
  },
]

async function strikeOnce (t: Test, world: World, role: Role, { needsCopy = false, strike }: Mishap): Promise<void> {
  const { cluster, topicId, send, status, healed, servesAll, leader } = world
  await using copy = await scratchFolder()
  const led = await leader()
  const victim = role === 'leader' ? led : led % 3 + 1
  const data = cluster.dataOf(victim)
  const olderCopy = join(copy.path, 'data')
  if (needsCopy) {
    await cluster.broker(victim).stop()
    await cp(data, olderCopy, { recursive: true })
    await cluster.startBroker(victim)
    await send(20)
    await healed()
  }
  await cluster.broker(victim).kill()
  await strike(data, topicId, olderCopy)
  await send(20)
  t.equal(await status(), 6, 'the operator is told that a broker is missing')
  await cluster.startBroker(victim)
  await healed()
  await servesAll(victim)
  // It counts again: while another one says nothing there is a majority only with it.
  const leads = await leader()
  const other = [1, 2, 3].find(id => id !== victim && id !== leads)!
  cluster.broker(other).signal('SIGSTOP')
  await send(20)
  await servesAll(victim)
  cluster.broker(other).signal('SIGCONT')
  await servesAll(other)
  await healed()
}

t.test('Disks: a replica is made good from the others', { skip }, async t => {
  const world = await startWorld(t)
  await world.send(RECORDS)
  for (const role of ['follower', 'leader'] as const) {
    for (const mishap of MISHAPS.filter(({ roles }) => roles.includes(role))) {
      await t.test(`Disks: ${mishap.name} (the ${role}'s)`, t => strikeOnce(t, world, role, mishap))
    }
  }
  t.equal(await world.status(), 0, 'nothing is amiss, the operator is told')
  const { cluster } = world
  await Promise.all([1, 2, 3].map(id => cluster.broker(id).stop()))
  await Promise.all([1, 2, 3].map(async id => {
    const { code, stdout } = await runCommand(['segment', 'verify', '--data', cluster.dataOf(id)])
    t.equal(code, 0, 'nothing is wrong any more', { report: stdout.toString() })
  }))
})
