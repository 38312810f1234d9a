// Frames between brokers: what goes in comes out, and what does not add up is refused as a whole.

import assert from 'node:assert/strict'
import { FRAME_HEADER_BYTES, messageCodec, type ReplicateRequest } from '@sluice/protocol'
import fc from 'fast-check'
import t from 'tap'
import type { FetchedPart, LogClaim, ReplicaMessage } from '../replica/replica-message.js'
import { encodeLetters, payloadBytesOf, visitLetters, type ReplicaLetter } from './replica-frame.js'

const TOPIC = '3f2b8c1e-5d47-4a09-9c61-0e8d7f6a2b15'
const CODEC = messageCodec('replicate', 'request')
const HEAD = { api: 61, version: 1, flags: 0, correlation: 0 }

const offset = fc.nat(2 ** 40)
const epoch = fc.nat(2 ** 31 - 1)
const storeId = fc.uuid()
const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(each => Buffer.from(each))
const buffers = fc.array(bytes, { maxLength: 3 })

const claim: fc.Arbitrary<LogClaim> = fc.record({
  startOffset: offset,
  endOffset: offset,
  lastEpoch: epoch,
  lastCrc: fc.nat(2 ** 32 - 1),
  epochs: fc.array(fc.record({ epoch, startOffset: offset }), { maxLength: 3 }),
  damagedFrom: fc.oneof(offset, fc.constant(-1)),
  owed: fc.option(fc.record({ lastEpoch: epoch, endOffset: offset }), { nil: null }),
})

const part: fc.Arbitrary<FetchedPart> = fc.oneof(
  fc.record({
    kind: fc.constant('records' as const),
    offset,
    lastEpoch: epoch,
    buffers,
    highWatermark: offset,
    startOffset: offset,
    endOffset: offset,
  }),
  fc.record({ kind: fc.constant('diverge' as const), offset, lastEpoch: epoch, epoch, endOffset: offset }),
  fc.record({
    kind: fc.constant('restart' as const), offset, lastEpoch: epoch, startOffset: offset, prevCrc: fc.nat(2 ** 32 - 1),
  }))

const message: fc.Arbitrary<ReplicaMessage> = fc.oneof(
  fc.record({ kind: fc.constant('new-epoch' as const), epoch, storeId }),
  fc.record({
    kind: fc.constant('promise' as const), epoch, storeId, trusted: fc.boolean(), logs: fc.array(claim, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('fenced' as const), epoch }),
  fc.record({ kind: fc.constant('pull' as const), epoch, log: fc.nat(1), offset }),
  fc.record({
    kind: fc.constant('pulled' as const), epoch, log: fc.nat(1), offset, buffers: fc.option(buffers, { nil: null }),
  }),
  fc.record({ kind: fc.constant('begin-epoch' as const), epoch, storeId }),
  fc.record({
    kind: fc.constant('fetch' as const),
    epoch,
    storeId,
    sequence: offset,
    probe: offset,
    positions: fc.array(
      fc.record({ offset, lastEpoch: epoch, empty: fc.boolean(), durableOffset: offset }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant('fetched' as const), epoch, sequence: offset, probe: offset, parts: fc.array(part, { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant('durable-ack' as const), epoch, storeId, durableOffsets: fc.array(offset, { maxLength: 2 }),
  }))

const letters = fc.array(fc.record({ topicId: fc.constant(TOPIC), partition: fc.nat(9), message }), { maxLength: 6 })

/** Through the bytes of a frame, and back. */
function sent (given: readonly ReplicaLetter[]): ReplicaLetter[] {
  const { body, payload, payloadBytes } = encodeLetters(given)
  const head = CODEC.encodeFrame(HEAD, body, payloadBytes)
  const frame = Buffer.concat([head, ...payload])
  const received: ReplicaLetter[] = []
  const fault = visitLetters(CODEC.decode(frame, FRAME_HEADER_BYTES, head.length), frame, head.length, frame.length,
    (topicId, partition, what) => received.push({ topicId, partition, message: what }))
  assert.equal(fault, null)
  return received
}

/** Runs of buffers are one buffer on the other side. */
function joined ({ topicId, partition, message: what }: ReplicaLetter): string {
  const text = JSON.stringify(what, (key, value: unknown) =>
    key !== 'buffers' || value === null ? value : Buffer.concat((value as Uint8Array[]).map(reviveBuffer)).toString('hex'))
  return `${topicId} ${partition} ${text}`
}

function reviveBuffer (value: unknown): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from((value as { data: number[] }).data)
}

const canonical = (all: readonly ReplicaLetter[]): string[] => all.map(each => sorted(joined(each))).sort()

/** Fields in any order. */
function sorted (text: string): string {
  const at = text.indexOf('{')
  const sortKeys = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sortKeys)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
    return Object.fromEntries(entries.map(([key, each]) => [key, sortKeys(each)]))
  }
  return text.slice(0, at) + JSON.stringify(sortKeys(JSON.parse(text.slice(at))))
}

t.test('Replica frame: every message comes out as it went in, whatever goes with it', async () => {
  fc.assert(fc.property(letters, given => {
    assert.deepStrictEqual(canonical(sent(given)), canonical(given))
  }), { numRuns: 200, seed: 7 })
})

t.test('Replica frame: sizes that do not fit the payload refuse the whole frame', async t => {
  const records = { kind: 'records', offset: 1, lastEpoch: 1, highWatermark: 1, startOffset: 0, endOffset: 2 } as const
  const answer: ReplicaMessage =
    { kind: 'fetched', epoch: 1, sequence: 1, probe: 0, parts: [{ ...records, buffers: [Buffer.alloc(8)] }] }
  const begin: ReplicaMessage = { kind: 'begin-epoch', epoch: 1, storeId: 's' }
  const { body } = encodeLetters([begin, answer].map(what => ({ topicId: TOPIC, partition: 0, message: what })))
  const visit = (changed: ReplicateRequest, payloadBytes: number): [string | null, number] => {
    let visited = 0
    return [visitLetters(changed, Buffer.alloc(payloadBytes), 0, payloadBytes, () => visited++), visited]
  }
  t.match(visit(body, 7), [/8 bytes, the payload has 7/, 0])
  t.match(visit(body, 9), [/8 bytes, the payload has 9/, 0])
  const sized = (size: number, kind: 'records' | 'diverge' = 'records'): ReplicateRequest =>
    ({ ...body, fetched: [{ ...body.fetched[0]!, parts: [{ ...body.fetched[0]!.parts[0]!, size, kind }] }] })
  t.match(visit(sized(-1), 0), [/size of a part/, 0])
  t.match(visit(sized(8, 'diverge'), 8), [/size of a part/, 0])
  const pulled = { topicId: TOPIC, partition: 0, epoch: 1, log: 0, offset: 0, size: -2 }
  t.match(visit({ ...body, pulled: [pulled] }, 8), [/size of a pulled/, 0])
  t.equal(payloadBytesOf(answer), 8)
})
