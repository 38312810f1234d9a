import t from 'tap'
import { connect } from '../client.js'
import { string } from '../serdes.js'
import { startRealBroker } from '../testing/real-broker.js'
import { until } from '../testing/stored-values.js'
import type { Consumer } from './consumer.js'

const PARTITIONS = 6
const RECORDS = 3_000

t.test('Consumer: members come and go, and every record is handled, in order within each member', async t => {
  await using broker = await startRealBroker()
  await using client = connect({ brokers: [broker.address], retry: { maxDelayMs: 50 } })
  let lostCount = 0
  client.on('revoked', ({ lost }) => { if (lost) lostCount++ })
  await client.admin.createTopic('t', { partitions: PARTITIONS })
  const topic = client.topic('t', { value: string() })
  const producer = topic.producer()
  const handled = new Map<string, number>()
  const live = new Map<Consumer<Uint8Array, string>, Promise<void>>()
  let disorder = 0
  const join = (): void => {
    const consumer = topic.consumer({ group: 'g', commitIntervalMs: 20, sessionTimeoutMs: 5_000 })
    const last = new Map<number, number>()
    live.set(consumer, consumer.run(({ partition, offset }) => {
      const place = `${partition}/${offset}`
      handled.set(place, (handled.get(place) ?? 0) + 1)
      if ((last.get(partition) ?? -1) >= offset && handled.get(place) === 1) disorder++
      last.set(partition, offset)
      return new Promise(resolve => setImmediate(resolve))
    }, { concurrency: 3 }))
  }
  const leave = async (): Promise<void> => {
    const [consumer, run] = [...live][0]!
    live.delete(consumer)
    await consumer.close()
    await run
  }
  join()
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < RECORDS / 6; index++) producer.write({ value: `${round}/${index}` })
    await producer.flush()
    join()
    if (round % 2 === 1) await leave()
    if (round === 3) await broker.restart()
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await until(() => handled.size === RECORDS)
  while (live.size > 0) await leave()
  t.equal(disorder, 0)
  // On a machine so slow that a restart outlasts the session, records may come again. Otherwise they may not.
  if (lostCount > 0) return
  t.equal([...handled.values()].filter(times => times > 1).length, 0, 'orderly moves repeat nothing')
  t.ok((await client.admin.groupLag('g')).every(({ records }) => records === 0), 'all is committed')
})
