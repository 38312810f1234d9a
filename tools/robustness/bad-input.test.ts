// What no sound client sends. Each gets a clear answer; the broker stays, and a client beside it notices nothing.

import t, { type Test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import {
  API_KEY, FRAME_HEADER_BYTES, RecordBatchBuilder, errorName, writeFrameHeader, type ApiName, type MessageOf,
  type ProduceBatch,
} from '@sluice/protocol'
import { SeededRandom } from '../crash/seeded-random.js'
import { WireError, WirePeer, frameOf } from '../crash/wire-peer.js'
import { numberedBatch, produceBatch } from '../crash/numbered-records.js'
import { besiege, type BesiegedBroker } from './besieged-broker.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const NO_HEAD = { api: 0, version: 1, flags: 0, correlation: 7 } as const

/** A frame with any body and payload. */
function rawFrame (
  head: { api: number, version?: number, correlation?: number }, body: Buffer, payload = Buffer.alloc(0),
): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body, payload])
  writeFrameHeader(bytes, { ...NO_HEAD, ...head }, body.length, payload.length)
  return bytes
}

/** Sends bytes on a connection of its own and waits for the broker to end it; the error names that it answered. */
async function sendAndWaitForEnd (port: number, bytes: Buffer, hello = true): Promise<string[]> {
  const peer = hello ? await WirePeer.connect(port) : await WirePeer.connectSilently(port)
  peer.send(bytes)
  await peer.closed
  return peer.connectionErrors.map(({ code }) => errorName(code))
}

/** The error name of a request's answer, `NONE` where it succeeded. */
async function answerTo<A extends ApiName> (
  peer: WirePeer, api: A, message: MessageOf<A, 'request'>, payload?: Buffer,
): Promise<string> {
  try {
    await peer.request(api, message, { payload })
    return 'NONE'
  } catch (error) {
    if (error instanceof WireError) return errorName(error.code)
    throw error
  }
}

t.test('Bad input: frames that make no sense end their connection with the reason', t => besiege(t, {}, async ({ broker: { port } }) => {
  const size = (bytes: number): Buffer => {
    const frame = rawFrame({ api: API_KEY.metadata }, Buffer.alloc(8))
    frame.writeUInt32BE(bytes, 0)
    return frame
  }
  t.strictSame(await sendAndWaitForEnd(port, size(0xffffffff)), ['FRAME_TOO_LARGE'], '4 GiB')
  t.strictSame(await sendAndWaitForEnd(port, size(0xffffffff), false), ['FRAME_TOO_LARGE'], '4 GiB before hello')
  t.strictSame(await sendAndWaitForEnd(port, size(16 * 1024 * 1024 + 1)), ['FRAME_TOO_LARGE'], 'a byte too large')
  t.strictSame(await sendAndWaitForEnd(port, size(0)), ['MALFORMED_FRAME'], 'empty')
  t.strictSame(await sendAndWaitForEnd(port, size(11)), ['MALFORMED_FRAME'], 'smaller than its header')
  const bodyTooLarge = rawFrame({ api: API_KEY.metadata }, Buffer.alloc(8))
  bodyTooLarge.writeUInt32BE(1000, 12)
  t.strictSame(await sendAndWaitForEnd(port, bodyTooLarge), ['MALFORMED_FRAME'], 'a body that does not fit its frame')
  const http = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.strictSame(await sendAndWaitForEnd(port, http, false), ['FRAME_TOO_LARGE'], 'HTTP')
  const tls = Buffer.from('16030100c8010000c40303000102030405060708090a0b0c0d0e0f', 'hex')
  t.strictSame((await sendAndWaitForEnd(port, tls, false)).length, 1, 'TLS')
}))

t.test('Bad input: garbage ends its own connection only (seeded random bytes)', t => besiege(t, {}, async ({ broker: { port } }) => {
  const random = new SeededRandom(4)
  for (let round = 0; round < 40; round++) {
    const peer = random.chance(0.5) ? await WirePeer.connect(port) : await WirePeer.connectSilently(port)
    const garbage = random.bytes(random.between(1, 3000))
    // Half of them with a size that fits, so that the garbage is looked at as a message.
    if (random.chance(0.5) && garbage.length > FRAME_HEADER_BYTES) {
      garbage.writeUInt32BE(garbage.length - 4, 0)
      garbage.writeUInt16BE(random.between(0, 40), 4)
      garbage[6] = 1
      garbage[7] = random.pick([0, 2])
      garbage.writeUInt32BE(random.between(0, garbage.length - FRAME_HEADER_BYTES), 12)
    }
    peer.send(garbage)
    await delay(2)
    await peer.close()
  }
}))

t.test('Bad input: every request cut off anywhere costs nobody anything (a client that dies while it sends)', t =>
  besiege(t, {}, async ({ broker: { port }, address }) => {
    const batch = numberedBatch(0)
    const request = { acks: 'quorum' as const, timeoutMs: 1000, batches: [{ ...address, size: batch.length }] }
    const frame = frameOf('produce', request, 9, { payload: batch })
    for (let length = 1; length < frame.length; length += Math.ceil(frame.length / 40)) {
      const peer = await WirePeer.connect(port)
      peer.send(frame.subarray(0, length))
      await peer.close()
    }
    await using peer = await WirePeer.connect(port)
    const { baseOffset } = await produceBatch(peer, address, batch)
    t.equal(baseOffset, 0, 'nothing of it was stored')
  }))

t.test('Bad input: a frame may come byte by byte', t => besiege(t, {}, async ({ broker: { port }, address }) => {
  await using peer = await WirePeer.connect(port)
  const batch = numberedBatch(0)
  const reserved = peer.reserve()
  const request = { acks: 'quorum', timeoutMs: 5000, batches: [{ ...address, size: batch.length }] } as const
  const frame = frameOf('produce', { ...request, batches: [...request.batches] }, reserved.id, { payload: batch })
  for (const byte of frame.subarray(0, 600)) {
    peer.send(Uint8Array.of(byte))
    await new Promise(resolve => setImmediate(resolve))
  }
  peer.send(frame.subarray(600))
  t.equal(await reserved.error, 'NONE')
  t.equal((await produceBatch(peer, address, numberedBatch(10))).baseOffset, 10, 'it was stored')
}))

t.test('Bad input: what is asked for in an unknown way is refused and the connection stays', t =>
  besiege(t, {}, async ({ broker: { port }, address }) => {
    await using peer = await WirePeer.connect(port)
    await refusals(t, peer, address)
    t.equal(await answerTo(peer, 'listTopics', {}), 'NONE', 'the connection is as good as before')
    t.notOk(peer.isClosed)
  }))

async function refusals (t: Test, peer: WirePeer, address: BesiegedBroker['address']): Promise<void> {
  const raw = async (head: { api: number, version?: number }, body: Buffer): Promise<string> => {
    // Sent under the correlation of a request that is in the peer's books.
    const correlation = peer.reserve()
    peer.send(rawFrame({ ...head, correlation: correlation.id }, body))
    return await correlation.error
  }
  t.equal(await raw({ api: 999 }, Buffer.alloc(0)), 'UNKNOWN_API')
  t.equal(await raw({ api: API_KEY.produce, version: 77 }, Buffer.alloc(0)), 'UNSUPPORTED_VERSION')
  t.equal(await raw({ api: API_KEY.produce, version: 0 }, Buffer.alloc(0)), 'UNSUPPORTED_VERSION')
  t.equal(await raw({ api: API_KEY.produce }, Buffer.from('ffffffff', 'hex')), 'MALFORMED_FRAME', 'a body that is none')
  const hugeCount = Buffer.from('feffffffffffffffff01', 'hex')
  t.equal(await raw({ api: API_KEY.metadata }, hugeCount), 'MALFORMED_FRAME', 'a huge count')
  t.equal(await raw({ api: API_KEY.goAway }, Buffer.alloc(0)), 'UNKNOWN_API', 'a notice of the broker')

  const batch = numberedBatch(0)
  const produce = (batches: ProduceBatch[], timeoutMs = 1000): Promise<string> =>
    answerTo(peer, 'produce', { acks: 'quorum', timeoutMs, batches }, batch)
  t.equal(await produce([]), 'INVALID_REQUEST', 'no batches')
  t.equal(await produce([{ ...address, size: batch.length + 1 }]), 'INVALID_REQUEST', 'a size beyond the payload')
  t.equal(await produce([{ ...address, size: -1 }]), 'INVALID_REQUEST', 'a negative size')
  t.equal(await produce([{ ...address, size: batch.length }], 0), 'INVALID_REQUEST', 'no time at all')
  const fetch = (maxWaitMs: number, minBytes: number, maxBytes: number): Promise<string> =>
    answerTo(peer, 'fetch', { maxWaitMs, minBytes, maxBytes, partitions: [] })
  t.equal(await fetch(-1, 0, 1), 'INVALID_REQUEST')
  t.equal(await fetch(0, 2, 1), 'INVALID_REQUEST')
  t.equal(await fetch(2 ** 31 - 1, 0, 1), 'INVALID_REQUEST')
  t.equal(await fetch(0, 0, 0), 'INVALID_REQUEST')
}

t.test('Bad input: batches that are not sound are refused and leave nothing behind', t =>
  besiege(t, { 'topic-defaults': 'max.batch.bytes=65536' }, async ({ broker: { port }, address }) => {
    await using peer = await WirePeer.connect(port)
    const errorOf = async (batch: Buffer): Promise<string> =>
      errorName((await produceBatch(peer, address, batch)).error)
    const changed = (position: number): Buffer => {
      const batch = numberedBatch(0)
      batch[position] = batch[position]! ^ 1
      return batch
    }
    t.equal(await errorOf(changed(100)), 'INVALID_BATCH', 'a bad checksum')
    t.equal(await errorOf(Buffer.alloc(10)), 'INVALID_BATCH', 'shorter than a header')
    t.equal(await errorOf(Buffer.alloc(0)), 'INVALID_BATCH', 'empty')
    t.equal(await errorOf(numberedBatch(0).subarray(0, 300)), 'INVALID_BATCH', 'cut off')
    const builder = new RecordBatchBuilder()
    builder.append(null, Buffer.alloc(70_000), 1)
    t.equal(await errorOf(builder.build()), 'RECORD_TOO_LARGE')
    builder.append('key', 'value', 1)
    t.equal(await errorOf(builder.build({ flags: 1 })), 'INVALID_BATCH', 'a control batch')
    builder.append('key', 'value', 1)
    const stranger = { producerId: 12345, producerEpoch: 0, baseSequence: 17 }
    t.equal(await errorOf(builder.build({ producer: stranger })), 'UNKNOWN_PRODUCER')
    const { error } = await produceBatch(peer, { topicId: address.topicId, partition: 7 }, numberedBatch(0))
    t.equal(errorName(error), 'UNKNOWN_PARTITION')
    const elsewhere = { topicId: '00000000-0000-4000-8000-000000000000', partition: 0 }
    t.equal(errorName((await produceBatch(peer, elsewhere, numberedBatch(0))).error), 'UNKNOWN_TOPIC')
    t.equal((await produceBatch(peer, address, numberedBatch(0))).baseOffset, 0, 'nothing of it was stored')
  }))

t.test('Bad input: names that are no names are refused (odd characters, paths, lengths)', t =>
  besiege(t, {}, async ({ broker: { port } }) => {
    await using peer = await WirePeer.connect(port)
    const create = async (name: string): Promise<string> => {
      const topic = { name, kind: 'stream', partitions: 1, replicationFactor: 0, config: {} } as const
      const { message } = await peer.request('createTopics', { timeoutMs: 5000, validateOnly: false, topics: [topic] })
      return errorName(message.topics[0]!.error)
    }
    const bad = [
      '', '.', '..', '../../etc/passwd', 'a/b', 'a\\b', 'a b', 'a\0b', 'ä', '日本', '💥', '\ud800', 'x'.repeat(250), 'a\nb',
    ]
    for (const name of bad) t.equal(await create(name), 'INVALID_TOPIC_NAME', JSON.stringify(name.slice(0, 20)))
    for (const name of ['__proto__', 'constructor', 'toString', '-', '_', 'a.b-c_D', 'x'.repeat(249)]) {
      t.equal(await create(name), 'NONE', name.slice(0, 20))
    }
    const member = { memberId: '', instanceId: null, topics: ['target'], assignor: '', generation: -1, owned: [] }
    const timeouts = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000 }
    for (const group of ['', 'a/b', 'x'.repeat(250), '\0']) {
      const answer = await answerTo(peer, 'joinGroup', { group, ...member, ...timeouts })
      t.not(answer, 'NONE', `group ${JSON.stringify(group.slice(0, 20))}`)
    }
    for (const partitions of [-1, 10_001, 2 ** 31 - 1]) {
      const topic = { name: 'counted', kind: 'stream', partitions, replicationFactor: 0, config: {} } as const
      const { message } = await peer.request('createTopics', { timeoutMs: 5000, validateOnly: false, topics: [topic] })
      t.equal(errorName(message.topics[0]!.error), 'INVALID_PARTITIONS', `${partitions} partitions`)
    }
  }))

t.test('Bad input: a request before hello is refused and its connection closed', t => besiege(t, {}, async ({ broker: { port } }) => {
  const peer = await WirePeer.connectSilently(port)
  t.equal(await answerTo(peer, 'listTopics', {}), 'HELLO_REQUIRED')
  await peer.closed
  const second = await WirePeer.connectSilently(port)
  const lost = second.request('listTopics', {}).catch((error: Error) => error)
  second.request('listTopics', {}).catch(() => {})
  t.ok(await lost instanceof WireError, 'also with more requests behind it')
  await second.closed
}))

t.test('Bad input: huge counts are refused before they cost memory (partitions of a fetch, batches of a produce)', t =>
  besiege(t, {}, async ({ broker, address }) => {
    await using peer = await WirePeer.connect(broker.port)
    const before = await broker.rssBytes()
    const partitions = Array.from({ length: 120_000 }, () => ({ ...address, offset: 0, lastEpoch: -1, maxBytes: 1 }))
    t.equal(await answerTo(peer, 'fetch', { maxWaitMs: 0, minBytes: 0, maxBytes: 1, partitions }), 'INVALID_REQUEST')
    const names = Array.from({ length: 200_000 }, (_, index) => `no-such-topic-${index}`)
    t.equal(await answerTo(peer, 'metadata', { topics: names }), 'FRAME_TOO_LARGE', 'an answer above the limit')
    t.equal(await answerTo(peer, 'listTopics', {}), 'NONE', 'the connection is as good as before')
    t.comment(`RSS ${(before / 2 ** 20).toFixed(0)} MiB before, ${(await broker.rssBytes() / 2 ** 20).toFixed(0)} MiB after`)
    t.ok(await broker.rssBytes() < before + 400 * 2 ** 20)
  }))
