// A topic is deleted, and created anew, under clients that work on it. The new topic is another one: who reads is told
// so and begins anew, who writes writes into the new one, and nothing of the old one shows in it.

import { setTimeout as delay } from 'node:timers/promises'
import { startTestBroker } from '@sluice/broker/testing'
import { connect, string, type BrokerError, type Client, type Consumer } from '@sluice/client'
import t from 'tap'

// A broker of its own on a machine that may be busy with others.
t.setTimeout(300_000)

const NAME = 'orders'
const GROUP = 'billing'
const PARTITIONS = 2

const topicOf = (client: Client) => client.topic(NAME, { key: string(), value: string() })

async function send (client: Client, ...values: string[]): Promise<void> {
  await using producer = topicOf(client).producer()
  await Promise.all(values.map(value => producer.send({ key: value, value })))
}

/** Gathers values until the consumer ends; resolves with the error that ends it, or null. */
function consume (consumer: Consumer<string, string>, values: string[]): Promise<BrokerError | null> {
  return (async () => {
    for await (const { value } of consumer) values.push(value!)
  })().then(() => null, (error: BrokerError) => error)
}

for (const idleMs of [0, 400]) {
  t.test(`Topic: a consumer ends with a clear error when its topic is made anew (${idleMs} ms between)`, async t => {
    await using broker = await startTestBroker()
    await using client = connect({ brokers: [broker.address] })
    await using other = connect({ brokers: [broker.address] })
    await other.admin.createTopic(NAME, { partitions: PARTITIONS })
    await send(other, 'old 1', 'old 2', 'old 3', 'old 4')
    const before: string[] = []
    const consumer = topicOf(client).consumer({ group: GROUP, commitIntervalMs: 20 })
    const ended = consume(consumer, before)
    while (before.length < 4) await delay(5)
    await consumer.commit()

    await other.admin.deleteTopic(NAME)
    await delay(idleMs)
    await other.admin.createTopic(NAME, { partitions: PARTITIONS + 1 })
    await send(other, 'new 1', 'new 2', 'new 3', 'new 4', 'new 5', 'new 6')
    const error = await ended
    t.match(error, { code: 'UNKNOWN_TOPIC', retriable: false, topic: NAME })
    t.match(error?.message, /topic orders was deleted.*new consumer/)
    t.equal(before.length, 4, 'it has read nothing of the new one')
    await consumer.close()

    const after: string[] = []
    const next = topicOf(client).consumer({ group: GROUP, from: 'earliest' })
    for await (const { value } of next) if (after.push(value!) === 6) break
    t.strictSame(after.sort(), ['new 1', 'new 2', 'new 3', 'new 4', 'new 5', 'new 6'],
      'a new consumer begins at the start: offsets of the old topic mean nothing')
    await next.close()
  })
}

t.test('Topic: a consumer ends when its topic is deleted, one that never had a partition works on the new topic', async t => {
  await using broker = await startTestBroker()
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic(NAME, { partitions: 1 })
  await send(client, 'old')
  const [first, second]: string[][] = [[], []]
  const worker = topicOf(client).consumer({ group: GROUP })
  const ended = consume(worker, first!)
  while (first!.length < 1) await delay(5)
  const spare = topicOf(client).consumer({ group: GROUP })
  const spareEnds = consume(spare, second!)
  while ((await client.admin.describeGroup(GROUP)).members.length < 2) await delay(10)
  await client.admin.deleteTopic(NAME)
  t.match(await ended, { code: 'UNKNOWN_TOPIC' })
  await worker.close()
  await client.admin.createTopic(NAME, { partitions: 1 })
  await send(client, 'new')
  while (second!.length < 1) await delay(5)
  t.strictSame([first, second], [['old'], ['new']])
  await spare.close()
  t.equal(await spareEnds, null)
})

t.test('Topic: a range read ends with a clear error, a producer goes on in the new topic', async t => {
  await using broker = await startTestBroker()
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic(NAME, { partitions: 1 })
  const producer = topicOf(client).producer()
  await producer.send({ value: 'old 1' })
  await producer.send({ value: 'old 2' })
  const values: string[] = []
  const reading = (async () => {
    for await (const { value } of topicOf(client).read({ to: Infinity })) values.push(value!)
  })()
  const failed = reading.then(() => null, (error: BrokerError) => error)
  while (values.length < 2) await delay(5)
  await client.admin.deleteTopic(NAME)
  await client.admin.createTopic(NAME, { partitions: 1 })
  const sent = await Promise.all(['new 1', 'new 2'].map(value => producer.send({ value })))
  t.strictSame(sent.map(({ offset }) => offset), [0, 1])
  t.match(await failed, { code: 'UNKNOWN_TOPIC', message: /deleted/ })
  t.strictSame(values, ['old 1', 'old 2'])
  await producer.close()
})
