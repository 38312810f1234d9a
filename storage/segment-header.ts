// The first block of a segment file: says which log the file belongs to and where in it, so that a foreign, misplaced
// or doubled file is recognised.
//
//    0          8     10   11   12        16          24      28        32           40             48
//    ├ 'SLUICEsg'┼ ver ┼kind┼ 0 ─┼partition┼baseOffset─┼ epoch ─┼ prevCrc ┼ createdMs ─┼ endOffset ───┤
//    48       52           56          57                     185 192         200 4092   4096
//    ├ endCrc ┼ generation ┼ idLength ─┼ topicId, zero-filled ┼ 0 ┼ cleanedMs ┼ 0 ┼ crc ─┤ first batch …
//
// - Big-endian. `crc` is CRC-32C of the 4,092 bytes before it. The block has 4,096 bytes so that no later write shares
//   a block of the disk with it.
// - `prevCrc` is the `crc` of the last batch before the segment as it was when it was first written: the chain goes on
//   over the border even after the segment before was compacted or removed.
// - `generation` counts compactions; 0 is the file as it was appended. Only a compacted file says where it ends
//   (`endOffset`, else -1) and what the segment after it continues (`endCrc`): its own last batch no longer does.
// - `cleanedMs` is when a compaction last went over all of it and all before it; -1 where none has.
// - `epoch` is the leader epoch of the last batch before the segment.

import { crc32c, readInt64, writeInt64 } from '@sluice/protocol'
import type { LogId } from './log-types.js'

/** Bytes of the header block; the first batch stands behind it. */
export const SEGMENT_HEADER_BYTES = 4096
export const SEGMENT_FORMAT_VERSION = 1

const MAGIC = Buffer.from('SLUICEsg', 'latin1')
const CRC_AT = SEGMENT_HEADER_BYTES - 4

export interface SegmentHeader {
  id: LogId
  baseOffset: number
  epoch: number
  prevCrc: number
  createdMs: number
  generation: number
  /** Log end of a compacted segment, -1 in others. */
  endOffset: number
  /** What the next segment names as its `prevCrc`; 0 where `endOffset` is -1. */
  endCrc: number
  cleanedMs: number
}

export type SegmentHeaderFault = 'short' | 'magic' | 'version' | 'crc' | 'fields'

export function encodeSegmentHeader (header: SegmentHeader): Buffer {
  const block = Buffer.alloc(SEGMENT_HEADER_BYTES)
  MAGIC.copy(block, 0)
  block.writeUInt16BE(SEGMENT_FORMAT_VERSION, 8)
  block[10] = header.id.kind === 'data' ? 0 : 1
  block.writeUInt32BE(header.id.partition, 12)
  writeInt64(block, header.baseOffset, 16)
  block.writeUInt32BE(header.epoch, 24)
  block.writeUInt32BE(header.prevCrc, 28)
  writeInt64(block, header.createdMs, 32)
  writeInt64(block, header.endOffset, 40)
  block.writeUInt32BE(header.endCrc, 48)
  block.writeUInt32BE(header.generation, 52)
  block[56] = header.id.topicId.length
  block.write(header.id.topicId, 57, 'latin1')
  writeInt64(block, header.cleanedMs, 192)
  block.writeUInt32BE(crc32c(block.subarray(0, CRC_AT)), CRC_AT)
  return block
}

/** Reads a header block; the fault where it is none. */
export function decodeSegmentHeader (block: Buffer): SegmentHeader | SegmentHeaderFault {
  if (block.length < SEGMENT_HEADER_BYTES) return 'short'
  if (!block.subarray(0, MAGIC.length).equals(MAGIC)) return 'magic'
  if (crc32c(block.subarray(0, CRC_AT)) !== block.readUInt32BE(CRC_AT)) return 'crc'
  if (block.readUInt16BE(8) !== SEGMENT_FORMAT_VERSION) return 'version'
  const idLength = block[56]!
  const header: SegmentHeader = {
    id: {
      topicId: block.toString('latin1', 57, 57 + idLength),
      partition: block.readUInt32BE(12),
      kind: block[10] === 0 ? 'data' : 'state',
    },
    baseOffset: readInt64(block, 16),
    epoch: block.readUInt32BE(24),
    prevCrc: block.readUInt32BE(28),
    createdMs: readInt64(block, 32),
    endOffset: readInt64(block, 40),
    endCrc: block.readUInt32BE(48),
    generation: block.readUInt32BE(52),
    cleanedMs: readInt64(block, 192),
  }
  const sound = idLength >= 1 && idLength <= 128 && header.baseOffset >= 0 &&
    (header.generation === 0 ? header.endOffset === -1 : header.endOffset > header.baseOffset)
  return sound ? header : 'fields'
}

/** True where a header is of this log and this base offset. */
export function headerBelongs (header: SegmentHeader, id: LogId, baseOffset: number): boolean {
  return header.id.topicId === id.topicId && header.id.partition === id.partition && header.id.kind === id.kind &&
    header.baseOffset === baseOffset
}

/** `<baseOffset padded to 20>.log` */
export function segmentFileName (baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

/** The base offset that a file name says; -1 where it is no segment's name. */
export function parseSegmentFileName (name: string): number {
  if (!/^[0-9]{20}\.log$/.test(name)) return -1
  const baseOffset = Number(name.slice(0, 20))
  return Number.isSafeInteger(baseOffset) ? baseOffset : -1
}
