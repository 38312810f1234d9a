// Walking through the batches of a file, and finding the way again behind damage.
//
//    [batch][batch][####damaged####][batch][batch]|00000000|
//     walkBatches ->|  findNextBatch ->|           end
//
// - A walk goes on as long as each batch is sound and continues the one before: offset, previous CRC, epoch.
// - The search behind damage looks at each byte once, and checks the records of candidates only up to a bound: neither
//   a wrong length nor bytes laid out as bait can hold it up for long.
// - Reads are of one chunk at a time, so the event loop and memory stay free however large the file.

import {
  BATCH_BYTES_MAX, BATCH_HEADER_BYTES, BATCH_MAGIC, BATCH_POSITION, type BatchFault, type BatchHeader, checkBatchBody,
  checkBatchStamp, nextOffsetOf, readBatchHeader,
} from '@sluice/protocol'
import type { DiskFile } from './disk.js'
import { readFile } from './file-io.js'

const CHUNK_BYTES = 1024 * 1024
/** Bytes of candidates that a search may check in vain before it gives up, beyond those of the file itself. */
const SEARCH_CHECK_BYTES = 256 * 1024 * 1024

/** A place between two batches of a file; `crc: null` where it is not known what came before. */
export interface WalkPoint {
  position: number
  offset: number
  crc: number | null
  epoch: number
}

export type WalkFault = BatchFault | 'offset' | 'chain' | 'epoch' | 'committed'

/** Where a walk ended, and why: null at the limit. */
export interface WalkEnd extends WalkPoint { fault: WalkFault | null }

/** Called with every batch: it lies in `bytes` at `at`, and in the file at `position`. `false` ends the walk. */
export type BatchVisit = (header: BatchHeader, bytes: Buffer, at: number, position: number) => boolean | void

/**
 * Walks from `start` to `limitPosition`, to a batch at or above `limitOffset`, or to the first batch that is not sound
 * or does not continue.
 */
export async function walkBatches (
  file: DiskFile, start: WalkPoint, limitPosition: number, visit: BatchVisit,
  limitOffset = Number.MAX_SAFE_INTEGER
): Promise<WalkEnd> {
  const point = { ...start }
  let chunkBytes = CHUNK_BYTES
  for (;;) {
    const left = limitPosition - point.position
    if (left <= 0) return { ...point, fault: null }
    const bytes = await readFile(file, point.position, Math.min(chunkBytes, left))
    const chunkStart = point.position
    const fault = walkChunk(bytes, point, visit, limitOffset)
    if (fault === 'stopped') return { ...point, fault: null }
    if (fault !== null && fault !== 'short') return { ...point, fault }
    if (fault === null) {
      if (bytes.length < Math.min(chunkBytes, left)) return { ...point, fault: 'short' } // the file ends before the limit
      chunkBytes = CHUNK_BYTES
      continue
    }
    // The chunk ended within a batch: read on from its beginning, all of it where it is larger than a chunk.
    if (bytes.length >= limitPosition - chunkStart || bytes.length < Math.min(chunkBytes, left)) {
      return { ...point, fault: 'short' }
    }
    chunkBytes = Math.max(CHUNK_BYTES, sizeAt(bytes, point.position - chunkStart))
  }
}

function walkChunk (
  bytes: Buffer, point: WalkPoint, visit: BatchVisit, limitOffset: number
): WalkFault | 'stopped' | null {
  const chunkStart = point.position
  let at = 0
  while (at < bytes.length) {
    const fault = checkBatchStamp(bytes, at)
    if (fault !== null) return fault
    const header = readBatchHeader(bytes, at)
    const broken = checkContinues(header, point)
    if (broken !== null) return broken
    if (header.baseOffset >= limitOffset) return 'stopped'
    const bodyFault = checkBatchBody(bytes, at)
    if (bodyFault !== null) return bodyFault
    const going = visit(header, bytes, at, chunkStart + at)
    at += header.size
    point.position = chunkStart + at
    point.offset = nextOffsetOf(header)
    point.crc = header.crc
    point.epoch = header.leaderEpoch
    if (going === false) return 'stopped'
  }
  return null
}

/** Whether a batch, whose stamp is sound, goes on where `point` is. */
export function checkContinues (header: BatchHeader, point: WalkPoint): WalkFault | null {
  if (header.baseOffset !== point.offset) return 'offset'
  if (point.crc !== null && header.prevCrc !== point.crc) return 'chain'
  if (header.leaderEpoch < point.epoch) return 'epoch'
  if (!(header.committedOffset >= 0 && header.committedOffset <= header.baseOffset)) return 'committed'
  return null
}

/** The size that the bytes at `at` claim; enough for a header where they are too few to say. */
function sizeAt (bytes: Buffer, at: number): number {
  if (bytes.length - at < BATCH_HEADER_BYTES) return BATCH_HEADER_BYTES
  return bytes.readUInt32BE(at + BATCH_POSITION.size)
}

/** A sound batch found by search. */
export interface FoundBatch { readonly header: BatchHeader, readonly position: number }

/** What a batch behind damage must be, to be taken for one of this log. */
export interface Plausible {
  /** Base offset: from here … */
  readonly offsetFrom: number
  /** … to here, exclusive. */
  readonly offsetTo: number
  readonly epochMin: number
}

/** The first sound and plausible batch behind the damaged one at `position`; null where there is none. */
export async function findNextBatch (
  file: DiskFile, position: number, limitPosition: number, plausible: Plausible
): Promise<FoundBatch | null> {
  const search = { file, limitPosition, plausible, checkBytesLeft: limitPosition - position + SEARCH_CHECK_BYTES }
  // Most often the length of the damaged batch still holds: then the next one stands right behind it, and bytes inside
  // the records that look like a batch are not looked at.
  const head = await readFile(file, position, Math.min(BATCH_HEADER_BYTES, limitPosition - position))
  if (head.length === BATCH_HEADER_BYTES) {
    const size = head.readUInt32BE(BATCH_POSITION.size)
    if (size >= BATCH_HEADER_BYTES && size <= BATCH_BYTES_MAX && position + size < limitPosition) {
      const found = await checkCandidate(search, position + size)
      if (found !== null) return found
      if (checkBatchStamp(head) === null) return await searchFrom(search, position + size)
    }
  }
  return await searchFrom(search, position + 1)
}

interface Search {
  readonly file: DiskFile
  readonly limitPosition: number
  readonly plausible: Plausible
  checkBytesLeft: number
}

async function searchFrom (search: Search, from: number): Promise<FoundBatch | null> {
  let position = from
  while (position + BATCH_HEADER_BYTES <= search.limitPosition && search.checkBytesLeft > 0) {
    const bytes = await readFile(search.file, position, Math.min(CHUNK_BYTES, search.limitPosition - position))
    if (bytes.length < BATCH_HEADER_BYTES) return null
    for (let at = nextCandidate(bytes, 0); at >= 0; at = nextCandidate(bytes, at + 1)) {
      if (!stampPlausible(bytes, at, search.plausible)) continue
      const found = await checkCandidate(search, position + at)
      if (found !== null) return found
      if (search.checkBytesLeft <= 0) return null
    }
    position += bytes.length - BATCH_HEADER_BYTES + 1
  }
  return null
}

/** The next place at or behind `at` that could be a header by its magic byte and the highest bytes of its numbers. */
function nextCandidate (bytes: Buffer, at: number): number {
  for (;;) {
    const magicAt = bytes.indexOf(BATCH_MAGIC, at + BATCH_POSITION.magic)
    if (magicAt < 0) return -1
    at = magicAt - BATCH_POSITION.magic
    if (at + BATCH_HEADER_BYTES > bytes.length) return -1
    if (bytes[at] === 0 && bytes[at + BATCH_POSITION.size]! <= BATCH_BYTES_MAX >>> 24) return at
    at++
  }
}

function stampPlausible (bytes: Buffer, at: number, plausible: Plausible): boolean {
  if (checkBatchStamp(bytes, at) !== null) return false
  const { baseOffset, leaderEpoch, committedOffset } = readBatchHeader(bytes, at)
  return baseOffset >= plausible.offsetFrom && baseOffset < plausible.offsetTo && leaderEpoch >= plausible.epochMin &&
    committedOffset >= 0 && committedOffset <= baseOffset
}

async function checkCandidate (search: Search, position: number): Promise<FoundBatch | null> {
  const head = await readFile(search.file, position, BATCH_HEADER_BYTES)
  if (head.length < BATCH_HEADER_BYTES || !stampPlausible(head, 0, search.plausible)) return null
  const header = readBatchHeader(head)
  if (position + header.size > search.limitPosition) return null
  search.checkBytesLeft -= header.size
  const bytes = await readFile(search.file, position, header.size)
  return checkBatchBody(bytes) === null ? { header, position } : null
}
