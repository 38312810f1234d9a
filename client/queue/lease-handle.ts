// A lease as text: what another process needs to settle a record that this one was given.
//
//   base64url of   version u8 │ topic id 16 bytes │ partition varint │ offset varint │ lease epoch varint │
//                  lease sequence varint │ group, UTF-8 │ CRC-32C u32 over all before it
//
// The topic id keeps a handle from meaning a record of another queue, or of one that was made anew under the same name.
// The checksum catches handles that were cut or mistyped; it is no proof against forging: that is the lease sequence,
// which the broker checks, and a forged one touches no lease but those it names exactly.

import { crc32c, readVarint, varintSize, writeVarint } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'

/** What a handle says. */
export interface LeaseHandle {
  readonly topicId: string
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
}

const VERSION = 1
const TOPIC_ID_BYTES = 16
const CRC_BYTES = 4
const LENGTH_MAX = 1_024

/** The handle as text that fits into a command line, a URL or a database. */
export function formatHandle (handle: LeaseHandle): string {
  const { partition, offset, leaseEpoch, leaseSequence } = handle
  const numbers = [partition, offset, leaseEpoch, leaseSequence]
  const group = Buffer.from(handle.group, 'utf8')
  const size = numbers.reduce((sum, number) => sum + varintSize(number), 1 + TOPIC_ID_BYTES + group.length + CRC_BYTES)
  const bytes = Buffer.alloc(size)
  bytes[0] = VERSION
  bytes.write(handle.topicId.replaceAll('-', ''), 1, 'hex')
  let at = 1 + TOPIC_ID_BYTES
  for (const number of numbers) at = writeVarint(bytes, number, at)
  at += group.copy(bytes, at)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, at)), at)
  return bytes.toString('base64url')
}

/** Reads a handle. @throws BrokerError INVALID where the text is none, or was damaged on its way. */
export function parseHandle (text: string): LeaseHandle {
  if (typeof text !== 'string' || text.length > LENGTH_MAX || !/^[\w-]+$/.test(text)) throw noHandle(text)
  const bytes = Buffer.from(text, 'base64url')
  const end = bytes.length - CRC_BYTES
  if (end < 1 + TOPIC_ID_BYTES || bytes[0] !== VERSION) throw noHandle(text)
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) throw noHandle(text)
  const at = { position: 1 + TOPIC_ID_BYTES }
  const [partition, offset, leaseEpoch, leaseSequence] = [0, 0, 0, 0].map(() => readVarint(bytes, at, end)) as
    [number, number, number, number]
  if (Math.min(partition, offset, leaseEpoch, leaseSequence) < 0) throw noHandle(text)
  return {
    topicId: uuidOf(bytes.subarray(1, 1 + TOPIC_ID_BYTES)),
    group: bytes.toString('utf8', at.position, end),
    partition,
    offset,
    leaseEpoch,
    leaseSequence,
  }
}

function uuidOf (bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function noHandle (text: unknown): BrokerError {
  const shown = JSON.stringify(String(text).slice(0, 60))
  return new BrokerError('INVALID', `${shown} is no lease handle: give the text that record.handle or \`queue receive\` gave, whole`)
}
