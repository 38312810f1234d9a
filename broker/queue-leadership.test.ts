// Leases over changes of leaders that not all have heard of: a key is never worked on under two leases at once.

import { ERROR, RecordBatchBuilder } from '@sluice/protocol'
import t from 'tap'
import { ClusterWorld } from './cluster-world.test.double.js'
import { QueueTestClient } from './queue-test-client.js'
import { RefusedError } from './test-client.js'

t.setTimeout(120_000)

/** A key's records come one after the other; a session that is silent for 6 s at a new leader is gone. */
const ORDERED = { order: 'key', 'session.timeout.ms': '1000', 'disconnect.grace.ms': '6000', 'visibility.ms': '1000' }

function keyed (key: string, values: readonly string[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(key, value, 1_000)
  return builder.build()
}

/** What a heartbeat is answered: notices, or that nothing is affirmed. */
async function heartbeat ({ client, sessionId }: QueueTestClient): Promise<string[]> {
  try {
    return (await client.call('heartbeatSession', { sessionId })).notices.map(({ kind }) => kind)
  } catch (error) {
    if ((error as RefusedError).code !== ERROR.NOT_ENOUGH_REPLICAS) throw error
    return ['not affirmed']
  }
}

const rest = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 100))

t.test('Queue: a leader that is cut off affirms no session any more, long before the next one gives its records to others', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic('queue', ORDERED)
  using producer = await world.broker(1).connect()
  const { error, message } = await producer.produceBatch(topicId, 0, keyed('k', ['one', 'two']))
  t.equal(error, 0, message)
  using first = await QueueTestClient.connect(world.broker(1).address.port, topicId)
  t.match(await first.receive(1, 5_000), [{ value: 'one' }])
  world.isolate(1)
  await world.failOver(topicId, 2)
  using second = await QueueTestClient.connect(world.broker(2).address.port, topicId)
  const got = second.receive(1, 30_000)
  const order: string[] = []
  const taken = got.then(() => { order.push('the record is with the second') })
  while (order.length === 0) {
    order.push(...await heartbeat(first))
    await rest()
  }
  await taken
  t.same(order, ['not affirmed', 'the record is with the second'])
  t.same(await first.receive(1, 0), [], 'nothing is leased without a majority')
  t.match(await got, [{ value: 'one', deliveries: 2 }], 'the new leader waits for as long as the session may come')
})

t.test('Queue: a short outage of the others costs nobody a lease', async t => {
  const world = await ClusterWorld.start(3)
  t.teardown(() => world.stop())
  const topicId = await world.createTopic('queue', { ...ORDERED, 'disconnect.grace.ms': '60000' })
  using producer = await world.broker(1).connect()
  await producer.produceBatch(topicId, 0, keyed('k', ['one']))
  using worker = await QueueTestClient.connect(world.broker(1).address.port, topicId)
  const leases = await worker.receive(1, 5_000)
  t.equal(leases.length, 1)
  world.isolate(1)
  while ((await heartbeat(worker)).length === 0) await rest()
  world.heal()
  while ((await heartbeat(worker)).length > 0) await rest()
  t.same(await worker.settle('ack', leases), ['ok'])
})
