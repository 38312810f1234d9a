// Reads a segment from some point to its end and tells what in it is sound, damaged, and torn.
//
//    [sound][sound][## damage ##][sound][sound][~~ torn ~~]|
//                                              ^ end
//
// Damage or torn tail? Bytes that fail are damage where something sound says that they had been durable: the
// checkpoint, the end that a sealed segment is known to have, or a later batch whose `committedOffset` lies above
// them. Damage is never cut. Where nothing says so, the bytes never counted, and the log ends before them.

import type { DiskFile } from './disk.js'
import { type BatchVisit, findNextBatch, type FoundBatch, walkBatches, type WalkEnd, type WalkPoint } from './batch-walk.js'

/** Offsets that are damaged, and where in the file. */
export interface Damage {
  readonly from: number
  readonly to: number
  readonly fromPosition: number
  /** Where the batch at `to` stands; the end of the file where none does. */
  readonly toPosition: number
}

export interface SegmentScan {
  /** The end of what is sound. Its `crc` is null where what stands before it is damage. */
  readonly end: WalkPoint
  readonly damage: readonly Damage[]
  /** Bytes behind the end, zeros or torn. */
  readonly bytesBehind: number
  /** Why the bytes at the end are no batch; null where there are none. */
  readonly endFault: string | null
  /** True where offsets known to be durable are missing at the end: nothing may be appended to this file. */
  readonly endDamaged: boolean
}

export interface ScanOptions {
  /** Bytes of the file to look at. */
  readonly limitPosition: number
  /** Everything below is known to have been durable. */
  readonly durableOffset: number
  /** Where the segment is known to end; -1 where it is not. */
  readonly endOffset: number
  /**
   * Takes whatever stands before a sound batch for durable. For who looks at the files alone and must not take anything
   * for torn that was acknowledged; a recovery has the checkpoint too, and knows better. Default: false.
   */
  readonly trustLaterBatches?: boolean
}

export async function scanSegment (
  file: DiskFile, start: WalkPoint, options: ScanOptions, visit: BatchVisit
): Promise<SegmentScan> {
  const damage: Damage[] = []
  const { endOffset } = options
  const known = { durableOffset: endOffset >= 0 ? endOffset : options.durableOffset }
  let point: WalkPoint = start
  for (;;) {
    const end = await walkBatches(file, point, options.limitPosition, (header, bytes, at, position) => {
      if (header.committedOffset > known.durableOffset) known.durableOffset = header.committedOffset
      return visit(header, bytes, at, position)
    }, endOffset >= 0 ? endOffset : undefined)
    const next = end.fault === null ? null : await findResumption(file, end, options, known)
    if (next !== null) {
      damage.push({
        from: end.offset, to: next.header.baseOffset, fromPosition: end.position, toPosition: next.position,
      })
      point = { position: next.position, offset: next.header.baseOffset, crc: null, epoch: next.header.leaderEpoch }
      continue
    }
    return finish(end, damage, options, known.durableOffset)
  }
}

function finish (end: WalkEnd, damage: Damage[], options: ScanOptions, durableOffset: number): SegmentScan {
  const bytesBehind = Math.max(0, options.limitPosition - end.position)
  const endDamaged = end.offset < durableOffset
  if (endDamaged) {
    damage.push({
      from: end.offset, to: durableOffset, fromPosition: end.position, toPosition: options.limitPosition,
    })
    const { limitPosition: position } = options
    const lost = { position, offset: durableOffset, crc: null, epoch: end.epoch }
    return { end: lost, damage, bytesBehind: 0, endFault: end.fault, endDamaged }
  }
  return { end, damage, bytesBehind, endFault: end.fault, endDamaged }
}

/** The batch to go on with behind the fault at `end`; null where the log ends here or nothing sound follows. */
async function findResumption (
  file: DiskFile, end: WalkEnd, options: ScanOptions, known: { durableOffset: number }
): Promise<FoundBatch | null> {
  const offsetTo = options.endOffset >= 0 ? options.endOffset : Number.MAX_SAFE_INTEGER
  const plausible = { offsetFrom: end.offset + 1, offsetTo, epochMin: end.epoch }
  const first = await findNextBatch(file, end.position, options.limitPosition, plausible)
  if (options.trustLaterBatches === true) return first
  let found = first
  while (found !== null && end.offset >= known.durableOffset) {
    // Not known to have been durable: does a sound batch behind it say so?
    const { baseOffset, leaderEpoch, committedOffset } = found.header
    if (committedOffset > end.offset) {
      known.durableOffset = end.offset + 1
      break
    }
    const from: WalkPoint = { position: found.position, offset: baseOffset, crc: null, epoch: leaderEpoch }
    const probe = await walkBatches(file, from, options.limitPosition, (header) => {
      if (header.committedOffset > known.durableOffset) known.durableOffset = header.committedOffset
      return known.durableOffset <= end.offset
    })
    if (known.durableOffset > end.offset || probe.fault === null) break
    const later = { offsetFrom: probe.offset + 1, offsetTo, epochMin: probe.epoch }
    found = await findNextBatch(file, probe.position, options.limitPosition, later)
  }
  return end.offset < known.durableOffset ? first : null
}
