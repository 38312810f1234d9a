// Clients that take more than they give: floods, answers that nobody reads, frames that never end. The memory of the
// broker stays bounded, and a client beside them notices nothing. The bounds asserted are far above the figures seen,
// which the comments of the test output give. The heap is limited to what a broker needs, for two reasons: one that is
// made to hold more dies, and otherwise it would be V8 that decides how much garbage counts as memory in use.

import t, { type Test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { API_KEY, FRAME_HEADER_BYTES, RecordBatchBuilder, writeFrameHeader } from '@sluice/protocol'
import type { BrokerProcess } from '../crash/broker-process.js'
import { produceBatch } from '../crash/numbered-records.js'
import { WirePeer, frameOf } from '../crash/wire-peer.js'
import { besiege as besiegeUnbounded, type BesiegedBroker } from './besieged-broker.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const MIB = 2 ** 20
const HEAP_MAX_MIB = 96

const besiege: typeof besiegeUnbounded = (t, options, harm) => besiegeUnbounded(t, options, harm, HEAP_MAX_MIB)

/** Bounds small enough to be reached soon. */
const OPTIONS = {
  'max-held-bytes': '16MiB', 'max-unsent-bytes': '16MiB', 'max-in-flight-bytes': '4MiB', 'tail-cache-bytes': '8MiB',
} as const

/** Asserts that the memory of the broker grows by no more than `growthMaxMib` while `harm` runs. */
async function watchMemory (
  t: Test, broker: BrokerProcess, growthMaxMib: number, harm: () => Promise<void>,
): Promise<void> {
  const before = await broker.rssBytes()
  let highest = before
  const watch = setInterval(() => {
    broker.rssBytes().then(bytes => { highest = Math.max(highest, bytes) }, () => {})
  }, 20)
  await harm()
  clearInterval(watch)
  const growth = (highest - before) / MIB
  t.comment(`RSS ${(before / MIB).toFixed(0)} MiB before, at most ${(highest / MIB).toFixed(0)} MiB meanwhile`)
  t.ok(growth < growthMaxMib, `it grew by ${growth.toFixed(0)} MiB, below ${growthMaxMib}`)
}

/** Fills the topic with `bytes` of incompressible records. */
async function fill ({ broker, address }: BesiegedBroker, bytes: number): Promise<void> {
  await using peer = await WirePeer.connect(broker.port)
  const builder = new RecordBatchBuilder()
  const batchBytes = 512 * 1024
  for (let written = 0; written < bytes; written += batchBytes) {
    builder.append(null, Buffer.alloc(batchBytes, written & 0xff), 1)
    await produceBatch(peer, address, builder.build())
  }
}

/** Sends the same bytes again and again without reading anything, until the socket takes no more, then waits. */
async function floodUnread (port: number, bytes: Buffer, times: number, waitMs: number): Promise<WirePeer> {
  const peer = await WirePeer.connect(port)
  peer.socket.pause()
  for (let count = 0; count < times; count++) {
    // False: what is sent waits in this process, so the broker takes no more.
    if (!peer.socket.write(bytes)) break
  }
  await delay(waitMs)
  return peer
}

t.test('Flood: requests whose answers nobody reads cost bounded memory (20 connections)', t =>
  besiege(t, OPTIONS, async besieged => {
    const { broker } = besieged
    const requests = Buffer.concat(Array.from({ length: 2_000 }, (_, index) => frameOf('listTopics', {}, index + 100)))
    await watchMemory(t, broker, 150, async () => {
      const peers = await Promise.all(Array.from({ length: 20 }, () => floodUnread(broker.port, requests, 50, 1_500)))
      for (const peer of peers) await peer.close()
    })
  }))

t.test('Flood: a backlog that is asked for and not read costs bounded memory (20 slow readers, 4,000 fetches)', t =>
  besiege(t, OPTIONS, async besieged => {
    const { broker, address } = besieged
    await fill(besieged, 64 * MIB)
    const partitions = [{ ...address, offset: 0, lastEpoch: -1, maxBytes: 8 * MIB }]
    const request = { maxWaitMs: 1000, minBytes: 1, maxBytes: 8 * MIB, partitions }
    const fetches = Buffer.concat(Array.from({ length: 200 }, (_, index) =>
      frameOf('fetch', request, index + 100, { unordered: true })))
    await watchMemory(t, broker, 150, async () => {
      const peers = await Promise.all(Array.from({ length: 20 }, () => floodUnread(broker.port, fetches, 1, 2_000)))
      for (const peer of peers) await peer.close()
    })
    await using peer = await WirePeer.connect(broker.port)
    const { payload } = await peer.request('fetch', {
      maxWaitMs: 0, minBytes: 0, maxBytes: MIB, partitions: [{ ...address, offset: 0, lastEpoch: -1, maxBytes: MIB }],
    })
    t.ok(payload.length > 0, 'a reader that reads is served again')
  }))

t.test('Flood: frames that are begun and never finished cost bounded memory (100 connections of 15 MiB)', t =>
  besiege(t, OPTIONS, async ({ broker }) => {
    const head = Buffer.alloc(FRAME_HEADER_BYTES)
    writeFrameHeader(head, { api: API_KEY.produce, version: 1, flags: 0, correlation: 50 }, 100, 15 * MIB)
    const begun = Buffer.concat([head, Buffer.alloc(2 * MIB)])
    await watchMemory(t, broker, 150, async () => {
      const peers = await Promise.all(Array.from({ length: 100 }, () => floodUnread(broker.port, begun, 5, 1_500)))
      for (const peer of peers) await peer.close()
    })
  }))

t.test('Flood: slow-loris frames wait in little memory (300 connections, a byte at a time)', t =>
  besiege(t, OPTIONS, async ({ broker }) => {
    await watchMemory(t, broker, 150, async () => {
      const peers = await Promise.all(Array.from({ length: 300 }, () => WirePeer.connect(broker.port)))
      const head = Buffer.alloc(FRAME_HEADER_BYTES)
      writeFrameHeader(head, { api: API_KEY.produce, version: 1, flags: 0, correlation: 50 }, 100, 15 * MIB)
      for (let position = 0; position < FRAME_HEADER_BYTES + 24; position++) {
        for (const peer of peers) peer.send(Uint8Array.of(head[position] ?? 0))
        await delay(10)
      }
      for (const peer of peers) await peer.close()
    })
  }))

t.test('Flood: produce without waiting for answers is held back, not buffered (8 writers at full speed)', t =>
  besiege(t, OPTIONS, async ({ broker, address }) => {
    const builder = new RecordBatchBuilder()
    builder.append(null, Buffer.alloc(256 * 1024, 7), 1)
    const batch = builder.build()
    const request = { acks: 'quorum' as const, timeoutMs: 30_000, batches: [{ ...address, size: batch.length }] }
    const bytes = frameOf('produce', request, 77, { payload: batch, unordered: true })
    await watchMemory(t, broker, 150, async () => {
      const peers = await Promise.all(Array.from({ length: 8 }, () => floodUnread(broker.port, bytes, 200, 1_000)))
      for (const peer of peers) await peer.close()
    })
  }))
