// Disks that refuse for real: full, read-only, and too few file handles. The disk is a small one in memory, which takes
// the rights of root to mount; where they are missing the tests are skipped.

import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { BrokerError, connect } from '@sluice/client'
import { ERROR, RecordBatchBuilder, errorName, type ProduceResult } from '@sluice/protocol'
import { BrokerProcess, BrokerStartError } from './broker-process.js'
import { RECORDS_PER_BATCH, produceBatch, range, readNumbered, writeNumbered, numberedBatch } from './numbered-records.js'
import { readPartition, topicIds, type PartitionAddress } from './read-partition.js'
import { scratchFolder } from './scratch-folder.js'
import { NEEDS_DISK, fillWith, smallDisk } from './small-disk.js'
import { WirePeer } from './wire-peer.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const run = promisify(execFile)
const RECORDS = 100
const RECOVERY_MS_MAX = 30_000

async function createOrders (broker: BrokerProcess): Promise<PartitionAddress> {
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('orders', { partitions: 1 })
  await using peer = await WirePeer.connect(broker.port)
  return { topicId: (await topicIds(peer, ['orders'])).get('orders')!, partition: 0 }
}

/** Sends until the disk is full; the first refusal. Records that were taken are the numbered ones up to `end`. */
async function fillUp (
  peer: WirePeer, address: PartitionAddress, from: number,
): Promise<{ end: number, refusal: ProduceResult }> {
  for (let offset = from; ; offset += RECORDS_PER_BATCH) {
    const refusal = await produceBatch(peer, address, numberedBatch(offset), 1_000)
    if (refusal.error !== ERROR.NONE) return { end: offset, refusal }
  }
}

t.test('Full disk: writes are refused with the cause, reads go on, writes go on by themselves', NEEDS_DISK, async t => {
  await using disk = await smallDisk(24)
  const data = `${disk.path}/data`
  await using broker = await BrokerProcess.start({ data })
  const address = await createOrders(broker)
  await using peer = await WirePeer.connect(broker.port)
  await writeNumbered(peer, address, 0, RECORDS)
  await using client = connect({ brokers: [broker.address] })

  const ballast = `${disk.path}/ballast`
  await fillWith(ballast)
  const { end, refusal } = await fillUp(peer, address, RECORDS)
  t.ok([ERROR.STORAGE_UNAVAILABLE, ERROR.REQUEST_TIMED_OUT].includes(refusal.error as never), errorName(refusal.error))
  const described = async (): Promise<{ state: string, stateReason: string }> =>
    (await client.admin.describeTopic('orders')).partitions[0]!
  const { state, stateReason } = await described()
  t.equal(state, 'readOnly')
  t.match(stateReason, /ENOSPC|no space/i)
  const refused = await produceBatch(peer, address, numberedBatch(0), 1_000)
  t.equal(errorName(refused.error), 'STORAGE_UNAVAILABLE')
  t.match(refused.message, /ENOSPC|no space/i)
  t.strictSame((await readNumbered(peer, address)).offsets.slice(0, end), range(0, end), 'what was acknowledged is read')
  const failure = await client.topic('orders').producer({ deliveryTimeoutMs: 500 }).send({ value: Buffer.from('x') })
    .catch((error: unknown) => error)
  t.ok(BrokerError.is(failure) && failure.retriable, 'a client is told that it may try again')

  await rm(ballast)
  // What was taken before the disk was full comes first: it was never refused for good.
  const deadlineMs = performance.now() + RECOVERY_MS_MAX
  while ((await described()).state !== 'online' && performance.now() < deadlineMs) await delay(50)
  t.equal((await described()).state, 'online', 'it goes on by itself')
  const builder = new RecordBatchBuilder()
  builder.append(null, 'after', 1)
  t.equal((await produceBatch(peer, address, builder.build())).error, ERROR.NONE)
  t.equal((await broker.stop()).code, 0)

  await using again = await BrokerProcess.start({ data })
  await using reader = await WirePeer.connect(again.port)
  let count = 0
  await readPartition(reader, address, 0, { onRecord: ({ offset }) => { if (offset < end) count++ } })
  t.equal(count, end, 'nothing that was acknowledged is lost')
})

t.test('Full disk: a broker that is killed on it serves again with space', NEEDS_DISK, async t => {
  await using disk = await smallDisk(24)
  const data = `${disk.path}/data`
  let broker = await BrokerProcess.start({ data })
  const address = await createOrders(broker)
  let peer = await WirePeer.connect(broker.port)
  await writeNumbered(peer, address, 0, RECORDS)
  const ballast = `${disk.path}/ballast`
  await fillWith(ballast)
  const { end } = await fillUp(peer, address, RECORDS)
  await broker.kill()
  await peer.closed

  // It may wait for the few KiB that a start has to write down, or do without: with space it is there in any case.
  broker = new BrokerProcess({ data })
  await Promise.race([broker.ready, delay(1_000)])
  await rm(ballast)
  await broker.ready
  peer = await WirePeer.connect(broker.port)
  t.strictSame((await readNumbered(peer, address)).offsets.slice(0, end), range(0, end))
  const deadlineMs = performance.now() + RECOVERY_MS_MAX
  let error: number
  const builder = new RecordBatchBuilder()
  do {
    await delay(50)
    builder.append(null, 'after', 1)
    error = (await produceBatch(peer, address, builder.build(), 2_000)).error
  } while (error !== ERROR.NONE && performance.now() < deadlineMs)
  t.equal(errorName(error), 'NONE')
  await peer.close()
  t.equal((await broker.stop()).code, 0)
})

t.test('Read-only disk: a start is refused with the cause', NEEDS_DISK, async t => {
  await using disk = await smallDisk(24)
  const data = `${disk.path}/data`
  await (await BrokerProcess.start({ data })).stop()
  await run('mount', ['-o', 'remount,ro', disk.path])
  const broker = new BrokerProcess({ data })
  const failure = await broker.ready.then(() => null, (error: unknown) => error)
  await broker.kill()
  t.ok(failure instanceof BrokerStartError)
  if (!(failure instanceof BrokerStartError)) return
  t.equal(failure.exit?.code, 1)
  t.match(failure.stderr, /EROFS|read-only/i)
})

t.test('File handles: a broker with very few of them keeps serving (128 for 60 partitions, 140 connections)', async t => {
  await using folder = await scratchFolder()
  await using broker = await BrokerProcess.start({
    data: `${folder.path}/data`, openFilesMax: 128, options: { 'open-files': '16' },
  })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('orders', { partitions: 60 })
  await using peer = await WirePeer.connect(broker.port)
  const topicId = (await topicIds(peer, ['orders'])).get('orders')!
  const writeAll = async (from: number): Promise<void> => {
    for (const partition of range(0, 60)) await writeNumbered(peer, { topicId, partition }, from, from + 20)
  }
  await writeAll(0)
  const greedy = await Promise.allSettled(Array.from({ length: 140 }, () => WirePeer.connectSilently(broker.port)))
  await delay(200)
  t.notOk(broker.isGone, 'it is alive with no handle left')
  for (const outcome of greedy) if (outcome.status === 'fulfilled') await outcome.value.close()
  const isItselfAgain = async (): Promise<boolean> => {
    const { connections } = await client.admin.describeBroker()
    const { partitions } = await client.admin.describeTopic('orders')
    return connections <= 2 && partitions.every(({ state }) => state === 'online')
  }
  const deadlineMs = performance.now() + RECOVERY_MS_MAX
  while (!await isItselfAgain() && performance.now() < deadlineMs) await delay(50)
  t.ok(await isItselfAgain(), 'it goes on by itself')
  await writeAll(20)
  for (const partition of [0, 30, 59]) {
    t.strictSame((await readNumbered(peer, { topicId, partition })).offsets, range(0, 40))
  }
  await t.resolves(WirePeer.connect(broker.port).then(late => late.close()), 'newcomers are taken again')
  t.equal((await broker.stop()).code, 0)
})
