// The meta store is an index and a checkpoint, never the only copy: without it a broker comes back with all it had.

import { cp } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { connect } from '@sluice/client'
import { ERROR } from '@sluice/protocol'
import { BrokerProcess } from './broker-process.js'
import { META_DAMAGE, copyMeta, damageMeta, type MetaDamage } from './damage.js'
import { RECORDS_PER_BATCH, numberedBatch, produceBatch, range, readNumbered, writeNumbered } from './numbered-records.js'
import { topicIds } from './read-partition.js'
import { scratchFolder } from './scratch-folder.js'
import { WirePeer } from './wire-peer.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const OPTIONS = { 'checkpoint-interval': '100ms' } as const
const RECORDS = 200
const GROUP = 'billing'

for (const ending of ['kill', 'stop'] as const) {
  t.test(`Meta store: nothing is lost with it (after a ${ending})`, async t => {
    await using lives = await scratchFolder()
    const { topicId, producer, lastSequence } = await twoLives(lives.path, ending)
    for (const kind of META_DAMAGE) {
      await t.test(`Meta store: nothing is lost with it (${kind}, after a ${ending})`, async t => {
        await using folder = await scratchFolder()
        const data = `${folder.path}/data`
        await cp(`${lives.path}/data`, data, { recursive: true })
        await damageMeta(data, kind, `${lives.path}/older`)
        await checkThirdLife(t, data, kind, { topicId, producer, lastSequence })
      })
    }
  })
}

interface Lived {
  readonly topicId: string
  readonly producer: { readonly producerId: number, readonly producerEpoch: number }
  readonly lastSequence: number
}

/** What a broker did with its folder, killed once, and how an older meta store looked. */
async function twoLives (folder: string, ending: 'kill' | 'stop'): Promise<Lived> {
  const data = `${folder}/data`
  await firstLife(data)
  await copyMeta(data, `${folder}/older`)
  return await secondLife(data, ending)
}

async function checkThirdLife (t: Test, data: string, kind: MetaDamage, lived: Lived): Promise<void> {
  const { topicId, producer, lastSequence } = lived
  await using broker = await BrokerProcess.start({ data, options: OPTIONS })
  await using client = connect({ brokers: [broker.address] })
  const orders = await client.admin.describeTopic('orders')
  t.equal(orders.topicId, topicId, 'the topic is the same')
  t.equal(orders.config.find(({ name }) => name === 'segment.bytes')?.value, '65536', 'with its settings')
  t.equal(orders.partitions.length, 3, 'also those that it was given later')
  // An older copy may still know a topic that was deleted after it was made; it comes back empty.
  const topics = (await client.admin.listTopics()).filter(name => kind !== 'older' || name !== 'early')
  t.strictSame(topics, ['late', 'orders'], 'what was deleted stays deleted, what was made stays')
  t.strictSame((await client.admin.offsets(GROUP, 'orders')).map(({ partition, offset }) => [partition, offset]), [[0, 70]])

  await using peer = await WirePeer.connect(broker.port)
  const address = { topicId, partition: 0 }
  const last = numberedBatch(RECORDS, { ...producer, baseSequence: lastSequence })
  const again = await produceBatch(peer, address, last)
  t.strictSame([again.error, again.baseOffset, again.duplicate], [ERROR.NONE, RECORDS, true],
    'a batch that is sent again is known, with its offset')
  const next = await produceBatch(peer, address, numberedBatch(RECORDS + RECORDS_PER_BATCH, {
    ...producer, baseSequence: lastSequence + RECORDS_PER_BATCH,
  }))
  t.strictSame([next.error, next.baseOffset], [ERROR.NONE, RECORDS + RECORDS_PER_BATCH], 'and its producer goes on')
  const { message: fresh } = await peer.request('initProducer', { producerId: -1, producerEpoch: -1 })
  t.not(fresh.producerId, producer.producerId, 'no producer id is given out again')
  const { offsets, holes } = await readNumbered(peer, address)
  t.strictSame([holes, offsets], [[], range(0, RECORDS + 2 * RECORDS_PER_BATCH)], 'every record is there')
  t.equal((await broker.stop()).code, 0)
}

/** A topic to be deleted and some records: what an older copy of the meta store knows of. */
async function firstLife (data: string): Promise<void> {
  await using broker = await BrokerProcess.start({ data, options: OPTIONS })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('orders', { partitions: 2, config: { 'segment.bytes': 65536 } })
  await client.admin.createTopic('early', { partitions: 1 })
  await using peer = await WirePeer.connect(broker.port)
  const ids = await topicIds(peer, ['orders', 'early'])
  await writeNumbered(peer, { topicId: ids.get('orders')!, partition: 0 }, 0, RECORDS / 2)
  await writeNumbered(peer, { topicId: ids.get('early')!, partition: 0 }, 0, RECORDS)
  await commit(peer, ids.get('orders')!, 20)
  await broker.kill()
}

async function secondLife (data: string, ending: 'kill' | 'stop'): Promise<Lived> {
  await using broker = await BrokerProcess.start({ data, options: OPTIONS })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.deleteTopic('early')
  await client.admin.createTopic('late', { partitions: 1 })
  await client.admin.alterTopic('orders', { partitions: 3 })
  await using peer = await WirePeer.connect(broker.port)
  const topicId = (await topicIds(peer, ['orders'])).get('orders')!
  await writeNumbered(peer, { topicId, partition: 0 }, RECORDS / 2, RECORDS)
  await commit(peer, topicId, 70)
  const { message: producer } = await peer.request('initProducer', { producerId: -1, producerEpoch: -1 })
  const batch = numberedBatch(RECORDS, { ...producer, baseSequence: 0 })
  await produceBatch(peer, { topicId, partition: 0 }, batch)
  if (ending === 'kill') await broker.kill()
  else await broker.stop()
  return { topicId, producer, lastSequence: 0 }
}

async function commit (peer: WirePeer, topicId: string, offset: number): Promise<void> {
  const { message } = await peer.request('commitOffsets', {
    group: GROUP, memberId: '', generation: -1, offsets: [{ topicId, partition: 0, offset, leaderEpoch: -1, metadata: null }],
  })
  if (message.results[0]!.error !== ERROR.NONE) throw new Error(message.results[0]!.message)
}
