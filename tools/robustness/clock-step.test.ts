// The wall clock steps back and forth by a day while a broker works. Only timestamps may show it: no record, no
// session, no offset and no deadline does.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startTestBroker } from '@sluice/broker/testing'
import { connect, string } from '@sluice/client'

// A broker of its own on a machine that may be busy with others.
t.setTimeout(300_000)

const DAY_MS = 86_400_000
const RECORDS = 300

t.test('Clock: steps of a day either way change nothing but timestamps (records, groups, producers)', async t => {
  let stepMs = 0
  const clock = { wallMs: () => Date.now() + stepMs, monotonicMs: () => performance.now() }
  await using broker = await startTestBroker({
    parts: { clock }, options: { 'retention-interval': '100ms', 'checkpoint-interval': '100ms' },
  })
  await using client = connect({ brokers: [broker.address], retry: false })
  await client.admin.createTopic('orders', { partitions: 2, config: { 'retention.ms': 30 * DAY_MS } })
  const topic = client.topic('orders', { key: string(), value: string() })
  const lost: string[] = []
  client.on('revoked', ({ lost: isLost, partitions }) => { if (isLost) lost.push(partitions.join()) })
  client.on('disconnect', ({ error }) => { if (error !== undefined) lost.push(error.message) })

  const consumer = topic.consumer({ group: 'billing', sessionTimeoutMs: 2_000, commitIntervalMs: 50 })
  const received: string[] = []
  const consuming = (async () => {
    for await (const { value } of consumer) received.push(value!)
  })()
  const producer = topic.producer()
  for (let index = 0; index < RECORDS; index++) {
    if (index % 30 === 0) stepMs = [DAY_MS, -DAY_MS, 0][(index / 30) % 3]!
    await producer.send({ key: `k${index % 7}`, value: `value ${index}` })
    await delay(5)
  }
  while (received.length < RECORDS) await delay(10)
  t.strictSame([...received].sort(), Array.from({ length: RECORDS }, (_, index) => `value ${index}`).sort())
  t.strictSame(lost, [], 'no session, partition or connection was lost')
  await consumer.close()
  await consuming
  const lag = await client.admin.groupLag('billing')
  t.equal(lag.reduce((sum, { records }) => sum + records, 0), 0, 'all of it is committed')

  await broker.restart()
  stepMs = -DAY_MS
  await using again = connect({ brokers: [broker.address] })
  let count = 0
  for await (const record of again.topic('orders').read()) if (record.offset >= 0) count++
  t.equal(count, RECORDS, 'and a restart in yesterday has all records')
  await t.resolves(again.topic('orders').producer().send({ value: Buffer.from('next') }))
  const offsets = await again.admin.offsets('billing', 'orders')
  t.equal(offsets.reduce((sum, { offset }) => sum + offset, 0), RECORDS, 'and all committed offsets')
})
