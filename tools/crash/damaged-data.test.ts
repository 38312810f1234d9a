// Acknowledged data that was damaged while the broker was away: the range is told, with its offsets, and is the only
// thing that is missing.

import { rename, truncate, unlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { BrokerError, connect } from '@sluice/client'
import { ERROR, errorName } from '@sluice/protocol'
import { BrokerProcess } from './broker-process.js'
import { batchesOfPartition, flipBit, segmentFiles } from './damage.js'
import type { Hole } from './partition-history.js'
import {
  RECORDS_PER_BATCH, joined, numberedBatch, produceBatch, range, readNumbered, writeNumbered,
} from './numbered-records.js'
import { topicIds, type PartitionAddress } from './read-partition.js'
import { scratchFolder } from './scratch-folder.js'
import { WirePeer } from './wire-peer.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const RECORDS = 1_500
const OPTIONS = { 'checkpoint-interval': '100ms' } as const

interface Damaged {
  readonly name: string
  /** Damages partition 0 and says which offsets are lost by it. */
  readonly damage: (data: string, topicId: string) => Promise<Hole>
}

async function flipBatch (data: string, topicId: string, index: number, positionInBatch: number): Promise<Hole> {
  const batch = (await batchesOfPartition(data, topicId, 0)).at(index)!
  await flipBit(batch.path, batch.position + positionInBatch, 3)
  return { from: batch.baseOffset, to: batch.endOffset }
}

/** The offsets of a segment: up to the base of the next one, or the end. */
async function offsetsOfSegment (data: string, topicId: string, index: number): Promise<{ path: string } & Hole> {
  const files = await segmentFiles(data, topicId, 0)
  const path = files.at(index)!
  const base = (file: string | undefined): number => file === undefined ? RECORDS : Number(file.slice(-24, -4))
  return { path, from: base(path), to: base(files[files.indexOf(path) + 1]) }
}

const DAMAGES: readonly Damaged[] = [
  { name: 'a flipped bit in a record of a sealed segment', damage: (data, topicId) => flipBatch(data, topicId, 3, 500) },
  { name: 'a flipped bit in a base offset', damage: (data, topicId) => flipBatch(data, topicId, 5, 7) },
  { name: 'a flipped bit in a batch size', damage: (data, topicId) => flipBatch(data, topicId, 7, 9) },
  { name: 'a flipped bit in the first batch', damage: (data, topicId) => flipBatch(data, topicId, 0, 40) },
  { name: 'a flipped bit in the active segment', damage: (data, topicId) => flipBatch(data, topicId, -5, 200) },
  { name: 'a flipped bit in the last batch', damage: (data, topicId) => flipBatch(data, topicId, -1, 300) },
  {
    name: 'the active segment cut short',
    async damage (data, topicId) {
      const batch = (await batchesOfPartition(data, topicId, 0)).at(-4)!
      await truncate(batch.path, batch.position + 100)
      return { from: batch.baseOffset, to: RECORDS }
    },
  },
  {
    name: 'a sealed segment cut short',
    async damage (data, topicId) {
      const { path, to } = await offsetsOfSegment(data, topicId, 1)
      const batch = (await batchesOfPartition(data, topicId, 0)).filter(place => place.path === path).at(-3)!
      await truncate(path, batch.position)
      return { from: batch.baseOffset, to }
    },
  },
  {
    name: 'a sealed segment deleted',
    async damage (data, topicId) {
      const { path, from, to } = await offsetsOfSegment(data, topicId, 1)
      await unlink(path)
      return { from, to }
    },
  },
  {
    name: 'a segment in the place of another',
    async damage (data, topicId) {
      const lost = await offsetsOfSegment(data, topicId, 2)
      const moved = await offsetsOfSegment(data, topicId, 3)
      await rename(moved.path, lost.path)
      return { from: lost.from, to: moved.to }
    },
  },
]

for (const ending of ['kill', 'stop'] as const) {
  t.test(`Damage: only the lost ranges are lost, and told (broker away by ${ending})`, async t => {
    await using folder = await scratchFolder()
    const data = `${folder.path}/data`
    const ids = await writeTopics(data, ending, [SOUND_TOPIC, ...DAMAGES.map(({ name }) => topicOf(name))])
    const lost = new Map<string, Hole>()
    for (const { name, damage } of DAMAGES) lost.set(name, await damage(data, ids.get(topicOf(name))!))

    for (const round of [1, 2, 3]) {
      const end = RECORDS + round * RECORDS_PER_BATCH
      await using broker = await BrokerProcess.start({ data, options: OPTIONS })
      await using peer = await WirePeer.connect(broker.port)
      for (const { name } of DAMAGES) {
        await t.test(`${name}, start ${round}`, async t => {
          const address = { topicId: ids.get(topicOf(name))!, partition: 0 }
          await checkDamaged(t, peer, address, lost.get(name)!, end)
          if (round === 3) await checkClient(t, broker.address, topicOf(name), lost.get(name)!, end)
        })
      }
      const sound = await readNumbered(peer, { topicId: ids.get(SOUND_TOPIC)!, partition: 0 })
      t.strictSame([sound.holes, sound.offsets], [[], range(0, RECORDS)], 'another topic is whole')
      if (round === 2) await broker.kill()
      else t.equal((await broker.stop()).code, 0, 'it stops in order')
    }
  })
}

async function checkDamaged (
  t: Test, peer: WirePeer, address: PartitionAddress, lost: Hole, end: number,
): Promise<void> {
  const before = await readNumbered(peer, address)
  t.equal(before.end, end - RECORDS_PER_BATCH, 'no offset is given out again')
  await writeNumbered(peer, address, end - RECORDS_PER_BATCH, end)
  const { holes, offsets } = await readNumbered(peer, address)
  t.strictSame(holes, [lost], 'exactly the lost range is said to be damaged')
  t.strictSame(offsets, [...range(0, lost.from), ...range(lost.to, end)], 'everything else is there, and appends go on')
}

const SOUND_TOPIC = 'sound'

function topicOf (name: string): string { return name.replaceAll(' ', '-') }

/** Writes topics of several segments, and ends the broker. @returns their ids, by name. */
async function writeTopics (
  data: string, ending: 'kill' | 'stop', names: readonly string[],
): Promise<Map<string, string>> {
  await using broker = await BrokerProcess.start({ data, options: OPTIONS })
  await using client = connect({ brokers: [broker.address] })
  await using peer = await WirePeer.connect(broker.port)
  for (const name of names) {
    await client.admin.createTopic(name, { partitions: 1, config: { 'segment.bytes': 64 * 1024 } })
  }
  const ids = await topicIds(peer, names)
  for (const name of names) await writeNumbered(peer, { topicId: ids.get(name)!, partition: 0 }, 0, RECORDS)
  // What a checkpoint covers is known to have been durable: damage there is damage, not a torn tail.
  await delay(400)
  if (ending === 'kill') await broker.kill()
  else await broker.stop()
  return ids
}

t.test('Damage: a deleted active segment costs its records and, after a restart, nothing else (kill and stop)', async t => {
  for (const ending of ['kill', 'stop'] as const) {
    await using folder = await scratchFolder()
    const data = `${folder.path}/data`
    const address = { topicId: (await writeTopics(data, ending, [SOUND_TOPIC])).get(SOUND_TOPIC)!, partition: 0 }
    const { path, from, to } = await offsetsOfSegment(data, address.topicId, -1)
    await unlink(path)
    for (const start of [1, 2]) {
      await using broker = await BrokerProcess.start({ data, options: OPTIONS })
      await using peer = await WirePeer.connect(broker.port)
      const before = await readNumbered(peer, address)
      t.strictSame(before.holes, [{ from, to }], 'its records are gone, and it says so')
      const { error, baseOffset } = await produceBatch(peer, address, numberedBatch(before.end))
      // After a clean stop the files are not looked at before they are used: the first write may be the one to notice.
      const isAllowed = error === ERROR.NONE || (start === 1 && ending === 'stop' && error === ERROR.STORAGE_FAILED)
      t.ok(isAllowed, `the first write after the ${ending}, start ${start}, is answered ${errorName(error)}`)
      if (error === ERROR.NONE) t.ok(baseOffset >= RECORDS, 'no offset is given out again')
      t.equal((await broker.stop()).code, 0)
    }
  }
})

/** What a user of the client SDK sees: an error with the offsets, and reading goes on behind it. */
async function checkClient (t: Test, address: string, name: string, lost: Hole, end: number): Promise<void> {
  await using client = connect({ brokers: [address] })
  const topic = client.topic(name)
  const read = async (from: number): Promise<number> => {
    let count = 0
    for await (const record of topic.read({ from: { 0: from }, partitions: [0] })) if (record.offset >= from) count++
    return count
  }
  const error = await read(0).catch((cause: unknown) => cause)
  t.ok(BrokerError.is(error) && error.code === 'CORRUPT', 'the reader is told')
  if (!BrokerError.is(error)) return
  t.ok(error.offset! >= lost.from && error.offset! < lost.to && error.resumeOffset! <= lost.to, 'and where it goes on')
  t.match(error.message, /segment verify/)
  t.equal(await read(lost.to), end - lost.to)
  const description = await client.admin.describeTopic(name)
  t.strictSame(joined(description.partitions[0]!.quarantined), [lost], 'and the description of the topic shows it')
}

t.test('Damage: a batch that was sent damaged is refused and never stored (bad checksum)', async t => {
  await using folder = await scratchFolder()
  await using broker = await BrokerProcess.start({ data: `${folder.path}/data` })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('orders', { partitions: 1 })
  await using peer = await WirePeer.connect(broker.port)
  const topicId = (await topicIds(peer, ['orders'])).get('orders')!
  for (const position of [33, 40, 60, 84, 500]) {
    const batch = numberedBatch(0)
    batch[position] = batch[position]! ^ 4
    t.not((await produceBatch(peer, { topicId, partition: 0 }, batch)).error, 0, `byte ${position}`)
  }
  await writeNumbered(peer, { topicId, partition: 0 }, 0, RECORDS_PER_BATCH)
  t.strictSame((await readNumbered(peer, { topicId, partition: 0 })).offsets, range(0, RECORDS_PER_BATCH))
})
