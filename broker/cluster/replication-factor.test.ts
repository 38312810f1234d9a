// More replicas, fewer, and certain ones, asked for while everything goes on.

import { ERROR } from '@sluice/protocol'
import t from 'tap'
import type { AlteredTopic, Refusal, TopicChange } from '../control/topics.js'
import { Peer, startCluster, until } from './cluster-peers.test.double.js'
import { moveKey } from './cluster-records.js'
import { holdersOf } from './placed-partitions.js'

const STAY: TopicChange = { name: 'orders', partitions: 0, replicationFactor: 0, set: {}, unset: [] }

async function create (peer: Peer, replicationFactor: number, partitions = 6): Promise<string> {
  const topic = await peer.topics.create({ name: 'orders', kind: 'stream', partitions, replicationFactor, config: {} }, false)
  if ('error' in topic) throw new Error(topic.message)
  return topic.topicId
}

function resize (peer: Peer, replicationFactor: number, validateOnly = false): Promise<AlteredTopic | Refusal> {
  return peer.topics.alter({ ...STAY, replicationFactor }, validateOnly)
}

function replicasOf ({ cluster }: Peer): number[][] {
  return cluster.metadata.partitionEntries().sort((a, b) => a.partition - b.partition).map(holdersOf)
}

/** Lets leaders find that their learners have everything, until no move is left; all have the same view then. */
async function atRest (peers: readonly Peer[]): Promise<void> {
  const isDone = ({ cluster: { metadata } }: Peer): boolean => metadata.moves.entries.size === 0 &&
    metadata.partitionEntries().every(({ record: { active, learners } }) => active && learners.length === 0)
  while (!peers.every(isDone)) {
    for (const { cluster } of peers) await cluster.completeMoves(() => true)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

t.test('Replication factor: grows and shrinks while leaders stay where they are (1 to 3 to 1)', async t => {
  const { peers } = await startCluster(t, 3)
  const [first, second, third] = peers as [Peer, Peer, Peer]
  await create(first, 1)
  await until(() => second.topics.byName('orders') !== undefined)
  const before = replicasOf(second)
  const grown = await resize(second, 3)
  t.match(grown, { record: { replicationFactor: 3, version: 2 } })
  t.equal((grown as AlteredTopic).moves.length, 6)
  await atRest(peers)
  t.ok(replicasOf(third).every(ids => ids.length === 3))
  t.strictSame(replicasOf(third).map(([leader]) => [leader]), before, 'the same ones lead')
  t.match(third.administration.describe(), { underReplicated: 0, moves: [] })
  const shrunk = await resize(third, 1)
  t.equal((shrunk as AlteredTopic).moves.length, 6)
  await atRest(peers)
  t.strictSame(replicasOf(first), before)
  t.match(await resize(third, 1), { moves: [] }, 'nothing is left to do')
})

t.test('Replication factor: what cannot be is refused, and says why', async t => {
  const { peers } = await startCluster(t, 3)
  const [peer] = peers as [Peer]
  await create(peer, 1, 1)
  const refused = async (replicationFactor: number, message: RegExp): Promise<void> => {
    t.match(await resize(peer, replicationFactor), { error: ERROR.INVALID_REPLICATION, message })
  }
  await refused(5, /this cluster has 3 brokers that take replicas; use 1 to 3/)
  await refused(2, /a majority of 2 outlives no more losses than one of 1; use 1 or 3/)
  await refused(-1, /replication factor -1 is not possible/)
  t.match(await peer.topics.alter({ ...STAY, name: 'nothing', replicationFactor: 3 }, false), { error: ERROR.UNKNOWN_TOPIC })
  t.match(await peer.topics.create({ name: 'even', kind: 'stream', partitions: 1, replicationFactor: 2, config: {} }, false),
    { error: ERROR.INVALID_REPLICATION })
  const dry = await resize(peer, 3, true)
  t.equal((dry as AlteredTopic).moves[0]!.to.length, 3)
  t.match(peer.topics.byName('orders'), { replicationFactor: 1, version: 1 }, 'nothing was done')
  await peer.administration.change('drain', 3, false)
  await peer.cluster.metadata.refresh()
  await refused(3, /2 brokers that take replicas/)
})

t.test('Replication factor: set back on its way, it calls off what is not done', async t => {
  const { control, peers } = await startCluster(t, 3)
  const [peer, other] = peers as [Peer, Peer]
  const topicId = await create(peer, 1, 2)
  const before = replicasOf(peer)
  await resize(peer, 3)
  const { metadata } = other.cluster
  await until(() => metadata.partitionEntries().every(({ record }) => record.learners.length > 0))
  await resize(other, 1)
  t.strictSame((await control.list('/moves/')).entries, [])
  await atRest(peers)
  t.strictSame(replicasOf(peer), before)
  t.ok(peer.cluster.metadata.partitionEntries().every(({ record: { epoch } }) => epoch === 1), 'nobody was disturbed')
  t.equal(peer.topics.byId(topicId)?.replicationFactor, 1)
})

t.test('Replication factor: partitions that are added have the new one', async t => {
  const { peers } = await startCluster(t, 3)
  await create(peers[0]!, 1, 2)
  const altered = await peers[0]!.topics.alter({ ...STAY, replicationFactor: 3, partitions: 4 }, false)
  t.same((altered as AlteredTopic).moves.map(({ partition }) => partition), [0, 1], 'those that are new need no move')
  await atRest(peers)
  t.strictSame(replicasOf(peers[1]!).map(({ length }) => length), [3, 3, 3, 3])
})

t.test('Replication factor: what was broken off between topic and moves is asked for again, or rebalanced', async t => {
  const { control, peers } = await startCluster(t, 3)
  const [peer] = peers as [Peer]
  await create(peer, 1, 3)
  await resize(peer, 3)
  for (const { key } of (await control.list('/moves/')).entries) await control.commit([{ key, value: null }])
  await peer.cluster.metadata.refresh()
  t.match(peer.administration.describe(), { underReplicated: 3, moves: [] })
  t.equal(((await resize(peer, 3)) as AlteredTopic).moves.length, 3)
  for (const { key } of (await control.list('/moves/')).entries) await control.commit([{ key, value: null }])
  t.match(await peer.administration.change('rebalance', -1, true), { copies: 6, copiesLeast: 6 })
})

t.test('Replication factor: the later of two that change it at the same time counts, and all partitions have it', async t => {
  const { peers } = await startCluster(t, 5)
  await create(peers[0]!, 3)
  for (const peer of peers) await until(() => peer.topics.byName('orders') !== undefined)
  const outcomes = await Promise.all([resize(peers[1]!, 5), resize(peers[2]!, 1), resize(peers[3]!, 5)])
  t.ok(outcomes.some(outcome => !('error' in outcome)))
  for (const outcome of outcomes) if ('error' in outcome) t.equal(outcome.error, ERROR.BUSY)
  await atRest(peers)
  const { replicationFactor } = peers[0]!.topics.byName('orders')!
  t.ok(replicasOf(peers[0]!).every(({ length }) => length === replicationFactor), `${replicationFactor} replicas each`)
})

t.test('Move: a partition goes to the brokers that were named, and the first of them leads', async t => {
  const { peers } = await startCluster(t, 5)
  const [peer] = peers as [Peer]
  await create(peer, 3, 2)
  const [held] = replicasOf(peer) as [number[]]
  const others = [1, 2, 3, 4, 5].filter(id => !held.includes(id))
  const to = [others[0]!, held[1]!, others[1]!]
  t.match(await peer.administration.move('orders', 0, to, true), { partition: 0, from: held, to })
  t.equal(peer.cluster.metadata.moves.entries.size, 0, 'nothing was done')
  t.match(await peer.administration.move('orders', 0, to, false), { from: held, to })
  await atRest(peers)
  t.strictSame([...replicasOf(peer)[0]!].sort(), [...to].sort())
  t.equal(replicasOf(peer)[0]![0], to[0])
})

t.test('Move: back to where it is, it is called off', async t => {
  const { control, peers } = await startCluster(t, 4)
  const [peer] = peers as [Peer]
  const topicId = await create(peer, 3, 1)
  const [held] = replicasOf(peer) as [number[]]
  const spare = [1, 2, 3, 4].find(id => !held.includes(id))!
  await peer.administration.move('orders', 0, [held[0]!, held[1]!, spare], false)
  await peer.administration.move('orders', 0, held, false)
  t.equal(await control.get(moveKey(topicId, 0)), null)
  await atRest(peers)
  t.strictSame(replicasOf(peer), [held])
})

t.test('Move: what cannot be is refused, and says why', async t => {
  const { peers } = await startCluster(t, 4)
  const [peer] = peers as [Peer]
  await create(peer, 3, 1)
  const [held] = replicasOf(peer) as [number[]]
  const spare = [1, 2, 3, 4].find(id => !held.includes(id))!
  const refused = async (replicas: number[], message: RegExp): Promise<void> => {
    t.match(await peer.administration.move('orders', 0, replicas, false), { error: ERROR.INVALID_REPLICATION, message })
  }
  await refused([held[0]!], /have 3 replicas: name as many different brokers, or change that first/)
  await refused([held[0]!, held[1]!, held[1]!], /as many different brokers/)
  await refused([held[0]!, held[1]!, 9], /cannot go to broker 9, which is not there/)
  await peer.administration.change('drain', spare, false)
  await refused([held[0]!, held[1]!, spare], /is being drained/)
  t.match(await peer.administration.move('orders', 7, held, false), { error: ERROR.UNKNOWN_PARTITION })
  t.match(await peer.administration.move('nothing', 0, held, false), { error: ERROR.UNKNOWN_TOPIC })
})
