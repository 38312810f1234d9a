// Handles that do not count, and requests that are not well formed: the documented answer, and no effect.

import { ERROR, type SettleItem, type SettleResult } from '@sluice/protocol'
import t from 'tap'
import { QueueTestClient, type TestLease } from './queue-test-client.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

function itemOf (lease: TestLease, changes: Partial<SettleItem> = {}): SettleItem {
  const { offset, leaseEpoch, leaseSequence } = lease
  return { kind: 'ack', offset, count: 1, leaseEpoch, leaseSequence, delayMs: -1, reason: '', ...changes }
}

async function settle (
  { client, topicId }: QueueTestClient, items: readonly SettleItem[],
  place: { topicId?: string, partition?: number } = {},
): Promise<SettleResult> {
  const partitions = [{ topicId, partition: 0, group: '', items: [...items], ...place }]
  return (await client.call('settle', { acks: 'quorum', timeoutMs: 10_000, partitions })).results[0]!
}

/** The words for each record. */
function words ({ answers }: SettleResult): string[] {
  return answers.flatMap(({ count, answer }) => Array<string>(count).fill(answer))
}

t.test('Queue handles: a foreign or forged one settles nothing', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 2, {}, 'queue')
  const otherId = await client.createTopic('others', 1, {}, 'queue')
  for (const partition of [0, 1]) await client.produce(topicId, partition, ['a', 'b'])
  await client.produce(otherId, 0, ['x'])
  using worker = await QueueTestClient.connect(broker.port, topicId, { partitions: 2 })
  using other = await QueueTestClient.connect(broker.port, otherId)
  const leases = await worker.receive()
  t.equal(leases.length, 4)
  await other.receive()
  const [first, second] = leases.filter(({ partition }) => partition === 0)
  const forged: readonly [string, SettleItem][] = [
    ['unknown', itemOf(first!, { leaseEpoch: first!.leaseEpoch + 1 })],
    ['unknown', itemOf(first!, { leaseEpoch: 0 })],
    ['unknown', itemOf(first!, { leaseSequence: 0 })],
    ['unknown', itemOf(first!, { leaseSequence: first!.leaseSequence + 1_000 })],
    ['staleLease', itemOf(first!, { leaseSequence: second!.leaseSequence })],
    ['unknown', itemOf(first!, { offset: 77 })],
    ['unknown', itemOf(first!, { offset: Number.MAX_SAFE_INTEGER - 1 })],
  ]
  for (const kind of ['ack', 'nack', 'release', 'reject', 'extend', 'start'] as const) {
    const result = await settle(worker, forged.map(([, item]) => ({ ...item, kind })))
    t.same(words(result), forged.map(([answer]) => answer), kind)
  }
  const elsewhere = await settle(worker, [itemOf(first!, { leaseSequence: 2 ** 40 })], { partition: 1 })
  t.same(words(elsewhere), ['unknown'], 'another partition')
  t.match(await settle(worker, [itemOf(first!)], { partition: 9 }), { error: ERROR.UNKNOWN_PARTITION })
  t.same(words(await settle(worker, [itemOf(first!, { leaseSequence: 2 ** 40 })], { topicId: otherId })), ['unknown'])
  t.match(await worker.stats(), { leased: 2, acknowledged: 0 })
  t.match(await other.stats(), { leased: 1, acknowledged: 0 })
  t.same(await worker.settle('ack', leases), ['ok', 'ok', 'ok', 'ok'], 'the leases are what they were')
})

t.test('Queue handles: ranges that overlap and kinds that contradict are carried out in their order', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a', 'b', 'c', 'd'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [a, b, c] = await worker.receive(3)
  const result = await settle(worker, [
    itemOf(a!, { count: 2 }),
    itemOf(b!, { count: 3 }),
    itemOf(a!, { kind: 'nack' }),
    itemOf(c!, { kind: 'release' }),
  ])
  t.same(words(result), ['ok', 'ok', 'alreadySettled', 'ok', 'unknown', 'alreadySettled', 'alreadySettled'])
  t.match(await worker.stats(), { acknowledged: 3, leased: 0, ready: 0, fresh: 1 })
})

t.test('Queue handles: one that somebody else has followed settles nothing', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  using other = await QueueTestClient.connect(broker.port, topicId)
  const first = await worker.receive()
  t.same(await worker.settle('release', first), ['ok'])
  t.same(await worker.settle('release', first), ['alreadySettled'], 'twice')
  const second = await other.receive()
  for (const kind of ['ack', 'nack', 'release', 'reject', 'extend', 'start'] as const) {
    t.same(await worker.settle(kind, first), ['staleLease'], kind)
  }
  t.same(await other.settle('ack', second), ['ok'])
  t.same(await worker.settle('ack', first), ['alreadySettled'])
})

t.test('Queue handles: what is out of range is refused with the range', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [lease] = await worker.receive()
  const refused: readonly [Partial<SettleItem>, RegExp][] = [
    [{ offset: -1 }, /no range of offsets/],
    [{ leaseSequence: -5 }, /no range of sequences/],
    [{ count: 0 }, /1 to 10000/],
    [{ count: -1 }, /1 to 10000/],
    [{ count: 10_001 }, /1 to 10000/],
    [{ count: 2 ** 31 - 1 }, /1 to 10000/],
    [{ kind: 'nack', delayMs: -2 }, /0 to 31536000000/],
    [{ kind: 'nack', delayMs: 31_536_000_001 }, /0 to 31536000000/],
    [{ kind: 'extend', delayMs: 86_400_001 }, /0 to 86400000/],
    [{ kind: 'ack', delayMs: 5 }, /must be -1/],
  ]
  for (const [changes, message] of refused) {
    await t.rejects(settle(worker, [itemOf(lease!, changes)]), { code: ERROR.INVALID_REQUEST, message })
  }
  const many = [itemOf(lease!, { count: 6_000 }), itemOf(lease!, { count: 6_000 })]
  await t.rejects(settle(worker, many), { code: ERROR.INVALID_REQUEST, message: /at most 10000/ })
  const partitions = [{ topicId, partition: 0, group: '' }]
  const request = { sessionId: worker.sessionId, maxRecords: 1, maxBytes: 1, maxWaitMs: 0, partitions }
  const bad: readonly [object, RegExp][] = [
    [{ maxRecords: 0 }, /1 to 10000/], [{ maxRecords: -1 }, /1 to 10000/], [{ maxRecords: 10_001 }, /1 to 10000/],
    [{ maxWaitMs: -1 }, /0 to 60000/], [{ maxWaitMs: 60_001 }, /0 to 60000/], [{ maxBytes: 0 }, /at least 1/],
    [{ partitions: [] }, /at least one/],
  ]
  for (const [changes, message] of bad) {
    await t.rejects(worker.client.call('receive', { ...request, ...changes }), { code: ERROR.INVALID_REQUEST, message })
  }
  await t.rejects(worker.client.call('receive', { ...request, sessionId: 12_345 }), { code: ERROR.UNKNOWN_SESSION })
  using other = await QueueTestClient.connect(broker.port, topicId)
  await t.rejects(worker.open(other.sessionId, worker.token), { code: ERROR.UNKNOWN_SESSION }, 'the token of another')
  t.same(await worker.settle('ack', [lease!]), ['ok'])
})

t.test('Queue handles: a settle without acks is carried out and not answered', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const [lease] = await worker.receive()
  const partitions = [{ topicId, partition: 0, group: '', items: [itemOf(lease!)] }]
  let answered = false
  worker.client.call('settle', { acks: 'none', timeoutMs: 10_000, partitions })
    .then(() => { answered = true }, () => {})
  t.match(await worker.stats(), { acknowledged: 1, leased: 0 }, 'answers are in the order of the requests')
  t.equal(answered, false)
})

t.test('Queue sessions: taken over by a second connection while the first still lives', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  const first = await QueueTestClient.connect(broker.port, topicId)
  const leases = await first.receive()
  using second = await QueueTestClient.connect(broker.port, topicId, { resume: first })
  await t.rejects(first.receive(), { code: ERROR.UNKNOWN_SESSION }, 'the session is where it was opened last')
  first.close()
  t.match(await second.explain(0), { state: 'leased', sessionId: second.sessionId })
  t.same(await second.settle('ack', leases), ['ok'], 'the end of the first takes nothing from it')
})

t.test('Queue sessions: a thousand that were opened and dropped leave nothing', async t => {
  await using broker = await startTestBroker()
  using client = await TestClient.connect(broker.port)
  const topicId = await client.createTopic('jobs', 1, {}, 'queue')
  await client.produce(topicId, 0, ['a'])
  using worker = await QueueTestClient.connect(broker.port, topicId)
  const lasting = await worker.receive()
  for (let round = 0; round < 1_000; round++) {
    await worker.open()
    await worker.receive()
    await worker.client.call('closeSession', { sessionId: worker.sessionId })
  }
  t.match(await worker.stats(), { sessions: 1, leased: 1 }, 'only that with the lease is left')
  t.same(await worker.settle('ack', lasting), ['ok'])
})
