// Stream groups over the wire: membership, commits, restarts, and what the command line asks for.

import { rm } from 'node:fs/promises'
import { ERROR, FRAME_FLAG, type HeartbeatGroupResponse, type JoinGroupResponse } from '@sluice/protocol'
import t from 'tap'
import { TestClient } from '../test-client.js'
import { startTestBroker } from '../testing.js'

interface Member { memberId: string, generation: number, partitions: number[] }

const GROUP = 'billing'

async function join (client: TestClient, changes: object = {}): Promise<JoinGroupResponse> {
  return await client.call('joinGroup', {
    group: GROUP,
    memberId: '',
    instanceId: null,
    topics: ['orders'],
    assignor: '',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    generation: -1,
    owned: [],
    ...changes,
  })
}

function heartbeat (
  client: TestClient, topicId: string, { memberId, generation, partitions }: Member, maxWaitMs = 0,
): Promise<HeartbeatGroupResponse> {
  const owned = [{ topicId, partitions }]
  const flags = FRAME_FLAG.unordered
  return client.call('heartbeatGroup', { group: GROUP, memberId, generation, maxWaitMs, owned }, { flags })
}

/** The error of a commit to one partition; 0 where it was stored. */
async function commit (
  client: TestClient, topicId: string, { memberId, generation }: Omit<Member, 'partitions'>, partition: number,
  offset: number, metadata: string | null = null,
): Promise<number> {
  const offsets = [{ topicId, partition, offset, leaderEpoch: -1, metadata }]
  const { results } = await client.call('commitOffsets', { group: GROUP, memberId, generation, offsets })
  return results[0]!.error
}

async function committed (client: TestClient, group = GROUP): Promise<Record<number, number>> {
  const { offsets } = await client.call('fetchOffsets', { group, partitions: null })
  return Object.fromEntries(offsets.map(({ partition, offset }) => [partition, offset]))
}

function partitionsOf ({ assigned }: HeartbeatGroupResponse): number[] {
  return assigned.flatMap(({ partitions }) => partitions)
}

t.test('Groups: a waiting heartbeat holds up nothing and is answered when the assignment changes', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 2)
  const first = await join(client)
  t.same(partitionsOf(first), [0, 1])
  const waiting = heartbeat(client, topicId, { ...first, partitions: [0, 1] }, 3_000)
  t.equal(await commit(client, topicId, first, 0, 0), 0)

  using other = await TestClient.connect(broker.port)
  const second = await join(other)
  t.same(second.assigned, [])
  const told = await waiting
  t.equal(told.generation, second.generation)
  const [kept] = partitionsOf(told)
  const moved = heartbeat(other, topicId, { ...second, partitions: [] }, 3_000)
  const { memberId } = first
  await heartbeat(client, topicId, { memberId, generation: told.generation, partitions: [kept!] })
  t.same(partitionsOf(await moved), [1 - kept!])

  t.equal(await commit(client, topicId, { ...told, memberId }, 1 - kept!, 0), ERROR.PARTITION_NOT_OWNED)
  t.equal(await commit(client, topicId, first, 1 - kept!, 0), ERROR.STALE_GENERATION)
  t.equal(await commit(other, topicId, second, 1 - kept!, 0), 0)
  await client.call('leaveGroup', { group: GROUP, memberId })
  await t.rejects(client.call('leaveGroup', { group: GROUP, memberId }), { code: ERROR.UNKNOWN_MEMBER })
})

t.test('Groups: a topic that is created later reaches the members by itself', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const member = await join(client)
  t.same(member.assigned, [])
  const waiting = heartbeat(client, '', { ...member, partitions: [] }, 3_000)
  const topicId = await client.createTopic('orders', 1)
  t.same((await waiting).assigned, [{ topic: 'orders', topicId, partitions: [0] }])
})

t.test('Groups: offsets, generation and assignment outlive a restart of the broker', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 2)
  await client.produce(topicId, 0, ['a', 'b', 'c'])
  const before = await join(client)
  t.equal(await commit(client, topicId, before, 0, 2, 'two of three'), 0)
  await broker.restart()

  client = await TestClient.connect(broker.port)
  const partitions = [{ topicId, partition: 0 }, { topicId, partition: 1 }]
  const { offsets } = await client.call('fetchOffsets', { group: GROUP, partitions })
  t.match(offsets, [
    { topic: 'orders', partition: 0, offset: 2, metadata: 'two of three', error: 0 },
    { topic: 'orders', partition: 1, offset: -1, metadata: null, committedAt: -1, error: 0 },
  ])
  t.ok(offsets[0]!.committedAt > 1_600_000_000_000)
  t.equal(await commit(client, topicId, before, 0, 3), ERROR.UNKNOWN_MEMBER)
  const { memberId, generation } = before
  const after = await join(client, { memberId, generation, owned: [{ topicId, partitions: [0, 1] }] })
  t.equal(after.memberId, before.memberId)
  t.ok(after.generation > before.generation)
  t.same(partitionsOf(after), [0, 1])
  t.equal(await commit(client, topicId, before, 0, 1), ERROR.STALE_GENERATION, 'a commit of before the restart')
  t.equal(await commit(client, topicId, after, 0, 3), 0)
  t.same(await committed(client), { 0: 3 })
  client.close()
})

t.test('Groups: a group can commit where the control store was lost and its offsets were not', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1)
  for (let round = 0; round < 3; round++) {
    const member = await join(client)
    t.equal(await commit(client, topicId, member, 0, 0), 0)
    await client.call('leaveGroup', { group: GROUP, memberId: member.memberId })
  }
  await broker.stop()
  await rm(`${broker.data}/meta`, { recursive: true })
  await broker.restart()
  client = await TestClient.connect(broker.port)
  const member = await join(client)
  t.ok(member.generation > 3)
  t.equal(await commit(client, topicId, member, 0, 0), 0)
  client.close()
})

t.test('Groups: offsets are set from outside while the group has no members', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1)
  await client.produce(topicId, 0, ['a', 'b'])
  const outside = { memberId: '', generation: -1 }
  t.equal(await commit(client, topicId, outside, 0, 1), 0)
  const member = await join(client)
  t.equal(await commit(client, topicId, outside, 0, 0), ERROR.GROUP_NOT_EMPTY)
  t.equal(await commit(client, topicId, member, 0, 2), 0)
  await client.call('leaveGroup', { group: GROUP, memberId: member.memberId })
  t.equal(await commit(client, topicId, outside, 0, 0), 0, 'back to the start')
  t.same(await committed(client), { 0: 0 })
  t.equal(await commit(client, topicId, outside, 0, -1), 0)
  t.same(await committed(client), {}, 'removed')
})

t.test('Groups: a commit that cannot be stored says why, the others of the request are stored', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1)
  await client.produce(topicId, 0, ['a'])
  const item = { topicId, partition: 0, offset: 1, leaderEpoch: -1, metadata: null }
  const { results } = await client.call('commitOffsets', {
    group: GROUP,
    memberId: '',
    generation: -1,
    offsets: [
      item,
      { ...item, partition: 1 },
      { ...item, topicId: 'nonsense' },
      { ...item, offset: 2 },
      { ...item, offset: -2 },
      { ...item, metadata: 'x'.repeat(4_097) },
    ],
  })
  t.same(results.map(result => result.error), [
    0, ERROR.UNKNOWN_PARTITION, ERROR.UNKNOWN_TOPIC, ERROR.OFFSET_OUT_OF_RANGE, ERROR.INVALID_REQUEST,
    ERROR.INVALID_REQUEST,
  ])
  t.same(results.map(result => result.message === ''), [true, false, false, false, false, false])
  t.same(await committed(client), { 0: 1 })
  const nothing = { group: GROUP, memberId: '', generation: -1, offsets: [] }
  t.same((await client.call('commitOffsets', nothing)).results, [])
  await t.rejects(client.call('commitOffsets', { ...nothing, group: 'a b' }), { code: ERROR.INVALID_REQUEST })
  await t.rejects(client.call('fetchOffsets', { group: '', partitions: null }), { code: ERROR.INVALID_REQUEST })
  const unknown = await client.call('fetchOffsets', { group: GROUP, partitions: [{ topicId, partition: 7 }] })
  t.match(unknown.offsets, [{ topic: 'orders', partition: 7, error: ERROR.UNKNOWN_PARTITION, offset: -1 }])
})

t.test('Groups: are listed and described with members or offsets, and deleted without members', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 2)
  const { memberId, generation } = await join(client, { instanceId: 'one' })
  await client.call('commitOffsets', {
    group: 'archive',
    memberId: '',
    generation: -1,
    offsets: [0, 1].map(partition => ({ topicId, partition, offset: 0, leaderEpoch: -1, metadata: null })),
  })
  t.same((await client.call('listGroups', {})).groups, [
    { group: 'archive', state: 'empty', members: 0 },
    { group: GROUP, state: 'stable', members: 1 },
  ])
  const { groups } = await client.call('describeGroups', { groups: [GROUP, 'archive', 'nobody'] })
  t.match(groups[0], {
    error: 0,
    state: 'stable',
    generation,
    assignor: 'cooperative',
    members: [{ memberId, instanceId: 'one', clientName: 'test', topics: ['orders'], sessionTimeoutMs: 10_000 }],
  })
  t.same(groups[0]!.members[0]!.assigned, [{ topic: 'orders', topicId, partitions: [0, 1] }])
  t.match(groups[1], { error: 0, state: 'empty', assignor: '', members: [] })
  t.match(groups[2], { error: ERROR.UNKNOWN_GROUP, message: /nobody/ })

  const deleted = await client.call('deleteGroups', { groups: [GROUP, 'archive', 'nobody'] })
  t.same(deleted.groups.map(group => group.error), [ERROR.GROUP_NOT_EMPTY, 0, ERROR.UNKNOWN_GROUP])
  t.same(await committed(client, 'archive'), {})
  await broker.restart()
  client = await TestClient.connect(broker.port)
  t.same(await committed(client, 'archive'), {}, 'gone for good')
  t.same((await client.call('listGroups', {})).groups, [])
  client.close()
})

t.test('Groups: what makes no sense is refused with the range', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  await t.rejects(join(client, { sessionTimeoutMs: 5 }), { code: ERROR.INVALID_REQUEST, message: /1000 to 1800000 ms/ })
  await t.rejects(join(client, { topics: [] }), { code: ERROR.INVALID_REQUEST })
  const nobody = { memberId: 'nobody', generation: 1, partitions: [] }
  await t.rejects(heartbeat(client, '', nobody), { code: ERROR.UNKNOWN_MEMBER })
})

t.test('Groups: a waiting heartbeat is answered when the broker stops', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('orders', 1)
  const member = await join(client, { sessionTimeoutMs: 30_000 })
  const waiting = heartbeat(client, topicId, { ...member, partitions: [0] }, 5_000)
  const refused = t.rejects(waiting, { code: ERROR.SHUTTING_DOWN })
  await client.call('listGroups', {})
  await broker.stop()
  await refused
})
