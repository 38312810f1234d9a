// What must be refused: frames, bodies and batches with the error that says so.

import avsc from 'avsc'
import {
  BATCH_BYTES_MAX, BATCH_CRC_START, BATCH_HEADER_BYTES, BATCH_POSITION, readBatchHeader,
  sealStamp, TIMESTAMP_MAX, writeInt64,
} from '../batch-header.js'
import { crc32c } from '../crc32c.js'
import type { BatchFields } from '../record-batch-builder.js'
import { batchBytes, fetchedBatch, producedBatch } from './batch-samples.js'
import type { Definitions } from './definitions.js'
import { typicalMessage } from './message-samples.js'

export interface MalformedFrame { name: string, about: string, maxFrameBytes: number, error: string, hex: string }
export interface MalformedBody { name: string, about: string, message: string, error: string, hex: string }
/**
 * `check` says who refuses it: `stored`, whoever reads a stamped batch; `new`, the broker that is to append it;
 * `records`, the reader of its records, all checksums being right.
 */
export interface MalformedBatch {
  name: string
  about: string
  check: 'stored' | 'new' | 'records'
  fault: string
  error: string
  hex: string
}

const MAX_FRAME_BYTES = 1_048_576

/** Frames after which a connection cannot go on. */
export function malformedFrames (): MalformedFrame[] {
  const frame = (name: string, about: string, error: string, size: number, bodySize: number): MalformedFrame => {
    const header = Buffer.from('000000000005010000000007000000000000', 'hex').subarray(0, 16)
    header.writeUInt32BE(size, 0)
    header.writeUInt32BE(bodySize, 12)
    return { name, about, maxFrameBytes: MAX_FRAME_BYTES, error, hex: header.toString('hex') }
  }
  return [
    frame('size-zero', 'The size does not even count the header fields.', 'MALFORMED_FRAME', 0, 0),
    frame('size-11', 'One byte less than the header fields.', 'MALFORMED_FRAME', 11, 0),
    frame('size-above-limit', 'One byte above the limit.', 'FRAME_TOO_LARGE', MAX_FRAME_BYTES + 1, 0),
    frame('size-4-gib', 'The highest size there is.', 'FRAME_TOO_LARGE', 0xffffffff, 0),
    frame('size-of-http', 'Somebody speaks HTTP: "GET " is a size of 1.2 GB.', 'FRAME_TOO_LARGE', 0x47455420, 0),
    frame('body-above-size', 'The body is longer than the frame by one byte.', 'MALFORMED_FRAME', 12 + 4, 5),
    frame('body-4-gib', 'The body claims the highest size there is.', 'MALFORMED_FRAME', 12, 0xffffffff),
  ]
}

/** Bodies that are answered with an error; the connection goes on. */
export function malformedBodies ({ messages }: Definitions): MalformedBody[] {
  const vectors: MalformedBody[] = []
  const add = (message: string, name: string, about: string, hex: string): void => {
    vectors.push({ name: `${message}/${name}`, about, message, error: 'MALFORMED_FRAME', hex })
  }
  for (const message of messages) {
    const body = avsc.Type.forSchema(message.schema as avsc.Schema).toBuffer(typicalMessage(message))
    if (body.length > 0) add(message.name, 'truncated', 'The last byte is missing.', body.subarray(0, -1).toString('hex'))
    add(message.name, 'left-over', 'A byte behind the last field.', `${body.toString('hex')}00`)
  }
  const listTopics = 'listTopics.v1.response'
  add('metadata.v1.request', 'union-branch', 'Branch 2 of a union of two.', '0400')
  add('metadata.v1.request', 'union-negative', 'Branch -1 of a union.', '0100')
  add('metadata.v1.request', 'array-2-to-the-40', 'An array that claims 2^40 items.', '02808080808040')
  add('metadata.v1.request', 'array-negative', 'An array block in the form with a byte size.', '02010200')
  add('metadata.v1.request', 'array-not-ended', 'An array without its closing 0.', '02020261')
  add('metadata.v1.request', 'string-cut', 'A string that is longer than the body.', '0202086100')
  add('metadata.v1.request', 'string-negative', 'A string of size -1.', '02020100')
  add('metadata.v1.request', 'varint-too-long', 'A varint of nine bytes.', '02808080808080808000')
  add(listTopics, 'enum-symbol', 'Symbol 2 of an enum of two.', '020261026204020200')
  add('createTopics.v1.request', 'boolean-2', 'A boolean that is neither 0 nor 1.', '000200')
  add('createTopics.v1.request', 'int-too-large', 'An int of 2^31.', '80808080100000')
  add('initProducer.v1.request', 'long-too-large', 'A long of 2^53 - 1, one above the highest.', 'feffffffffffff1f00')
  add('initProducer.v1.request', 'long-too-low', 'A long of -2^52 - 1, one below the lowest.', '818080808080801000')
  return vectors
}

/** Batches that are refused, or end the reading of their records. */
export function malformedBatches (): MalformedBatch[] {
  return [...storedFaults(), ...newBatchFaults(), ...recordFaults()]
}

function storedFaults (): MalformedBatch[] {
  const vector = (name: string, about: string, fault: string, bytes: Buffer): MalformedBatch =>
    ({ name, about, check: 'stored', fault, error: 'INVALID_BATCH', hex: bytes.toString('hex') })
  const sealed = (change: (bytes: Buffer) => void): Buffer => changed(fetchedBatch(), change)
  return [
    vector('empty', 'No bytes.', 'short', Buffer.alloc(0)),
    vector('header-cut', 'One byte less than the header.', 'short', fetchedBatch().subarray(0, 83)),
    vector('records-cut', 'One byte less than the size says.', 'short', fetchedBatch().subarray(0, -1)),
    vector('header-crc', 'A flipped bit in the base offset.', 'header-crc', flipped(fetchedBatch(), 7)),
    vector('crc-field', 'A flipped bit in crc.', 'crc', flipped(fetchedBatch(), BATCH_POSITION.crc)),
    vector('crc-record', 'A flipped bit in the last record.', 'crc', flipped(fetchedBatch(), fetchedBatch().length - 1)),
    vector('size-zero', 'A size of 0.', 'size', sealed(bytes => { bytes.writeUInt32BE(0, BATCH_POSITION.size) })),
    vector('size-83', 'A size below that of the header.', 'size', sealed(bytes => { bytes.writeUInt32BE(83, BATCH_POSITION.size) })),
    vector('size-too-large', 'A size above what the format allows.', 'size',
      sealed(bytes => { bytes.writeUInt32BE(BATCH_BYTES_MAX + 1, BATCH_POSITION.size) })),
    vector('magic', 'A layout of the future.', 'magic', sealed(bytes => { bytes[BATCH_POSITION.magic] = 2 })),
    vector('base-offset', 'A negative base offset.', 'fields', sealed(bytes => { writeInt64(bytes, -1, BATCH_POSITION.baseOffset) })),
    vector('committed-offset', 'An offset above 2^53 - 1.', 'fields',
      sealed(bytes => { bytes.fill(0x7f, BATCH_POSITION.committedOffset, BATCH_POSITION.committedOffset + 8) })),
    vector('record-count', 'More records than offsets.', 'fields',
      sealed(bytes => { bytes.writeUInt32BE(3, BATCH_POSITION.recordCount) })),
    vector('extras-size', 'Extras longer than the batch.', 'fields',
      sealed(bytes => { bytes.writeUInt32BE(0xffffffff, BATCH_POSITION.extrasSize) })),
    vector('timestamps', 'The highest timestamp is below the first.', 'fields',
      sealed(bytes => { writeInt64(bytes, 1, BATCH_POSITION.maxTimestamp) })),
    vector('timestamp-too-large', 'A timestamp above 2^52 - 1.', 'fields',
      sealed(bytes => { writeInt64(bytes, 2 ** 52, BATCH_POSITION.maxTimestamp) })),
    vector('producer-id', 'A producer id of -2.', 'fields', sealed(bytes => { writeInt64(bytes, -2, BATCH_POSITION.producerId) })),
    vector('sequence-missing', 'A producer id without a sequence.', 'fields',
      sealed(bytes => { writeInt64(bytes, 5, BATCH_POSITION.producerId) })),
    vector('sequence-alone', 'A sequence without a producer id.', 'fields',
      sealed(bytes => { bytes.writeInt32BE(0, BATCH_POSITION.baseSequence) })),
  ]
}

function newBatchFaults (): MalformedBatch[] {
  const vector = (name: string, about: string, fault: string, bytes: Buffer, error = 'INVALID_BATCH'): MalformedBatch =>
    ({ name: `new-${name}`, about, check: 'new', fault, error, hex: bytes.toString('hex') })
  const sealed = (change: (bytes: Buffer) => void): Buffer => changed(producedBatch(), change)
  return [
    vector('no-records', 'A batch without records.', 'fields', sealed(bytes => { bytes.writeUInt32BE(0, BATCH_POSITION.recordCount) })),
    vector('gap', 'Offsets without records.', 'fields', sealed(bytes => { bytes.writeUInt32BE(1, BATCH_POSITION.recordCount) })),
    vector('offsets-used-up', 'Two records that take up four billion offsets.', 'fields',
      sealed(bytes => { bytes.writeUInt32BE(0xfffffffe, BATCH_POSITION.lastOffsetDelta) })),
    vector('records-impossible', 'More records than the bytes can hold.', 'fields', sealed(bytes => {
      bytes.writeUInt32BE(1000, BATCH_POSITION.recordCount)
      bytes.writeUInt32BE(999, BATCH_POSITION.lastOffsetDelta)
    })),
    vector('extras-cut', 'Extras of less than their header.', 'extras', withExtras('0001')),
    vector('extras-version', 'Extras of a later version.', 'extras', withExtras('00020000')),
    vector('extras-column', 'A column that this version does not know.', 'extras', withExtras('00010020')),
    vector('extras-short', 'Lanes for one record of two.', 'extras', withExtras('00010001' + '00'.repeat(8))),
    vector('extras-long', 'A byte behind the columns.', 'extras', withExtras('00010008' + '00'.repeat(3))),
    vector('extras-lane', 'A lane of -2.', 'extras', withExtras('00010001' + 'ff'.repeat(7) + 'fe' + '00'.repeat(8))),
    vector('extras-time', 'A time above 2^52 - 1.', 'extras', withExtras('00010002' + '7f'.repeat(8) + '00'.repeat(8))),
    vector('extras-priority', 'A priority of 10.', 'extras', withExtras('00010008' + '000a')),
    vector('control', 'A control batch from a client.', 'fields', sealed(bytes => { bytes.writeUInt16BE(1, BATCH_POSITION.flags) })),
    vector('codec', 'A codec that no version knows yet.', 'codec', sealed(bytes => { bytes[BATCH_POSITION.codec] = 9 }), 'UNSUPPORTED_CODEC'),
  ]
}

/** The batch of the produce example with extras given in hex. */
function withExtras (extras: string): Buffer {
  const produced = producedBatch()
  const header = readBatchHeader(produced)
  return batchBytes(produced.toString('hex', BATCH_HEADER_BYTES), extras, header)
}

const ONE_RECORD = {
  codec: 0,
  flags: 0,
  recordCount: 1,
  lastOffsetDelta: 0,
  firstTimestamp: 0,
  maxTimestamp: 0,
  producerId: -1,
  producerEpoch: 0,
  baseSequence: -1,
}

function recordFaults (): MalformedBatch[] {
  const vector = (name: string, about: string, records: string, fields: Partial<BatchFields> = {}): MalformedBatch => ({
    name: `records-${name}`,
    about,
    check: 'records',
    fault: fields.codec === undefined ? 'CorruptBatchError' : 'CodecError',
    error: 'INVALID_BATCH',
    hex: batchBytes(records, '', { ...ONE_RECORD, ...fields }).toString('hex'),
  })
  const two = { recordCount: 2, lastOffsetDelta: 1 }
  const latest = { firstTimestamp: TIMESTAMP_MAX, maxTimestamp: TIMESTAMP_MAX }
  return [
    vector('missing', 'A record that is not there.', ''),
    vector('length-beyond', 'A record longer than the batch.', '07000001010061'),
    vector('length-varint', 'A length whose varint does not end.', '80808080808080808001'),
    vector('offset-beyond', 'An offset behind the last of the batch.', '050100000000'),
    vector('timestamp-negative', 'A timestamp before 1970.', '050001000000'),
    vector('key-beyond', 'A key longer than its record.', '050000040000'),
    vector('value-beyond', 'A value longer than its record.', '050000000400'),
    vector('headers-cut', 'More headers than bytes.', '050000000001'),
    vector('left-over', 'A byte behind the last record.', '05000000000000'),
    vector('offset-repeated', 'Two records of one offset.', '050000000000' + '050000000000', two),
    vector('offset-falling', 'A record behind one with a higher offset.', '050100000000' + '050000000000', two),
    vector('timestamp-too-large', 'A timestamp above 2^52 - 1.', '050002000000', latest),
    vector('gzip', 'gzip data that is none.', '00112233', { codec: 1 }),
    vector('brotli', 'brotli data that is none.', 'ffffffff', { codec: 2 }),
  ]
}

function flipped (bytes: Buffer, position: number): Buffer {
  bytes[position]! ^= 0x10
  return bytes
}

/** Changes fields and makes both checksums right again. */
function changed (bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes)
  bytes.writeUInt32BE(crc32c(bytes.subarray(BATCH_CRC_START)), BATCH_POSITION.crc)
  if (bytes.readUInt32BE(BATCH_POSITION.headerCrc) !== 0) sealStamp(bytes)
  return bytes
}
