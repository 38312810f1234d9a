// What a partition knows of its producers, as bytes for the meta store.
//
//   version u8 (2) │ producers │ producer: id, epoch, last sequence, last seen (ms), batches
//                              │   batch: first sequence, record count, base offset - end offset of the one before
//
// All numbers are varints, so a batch takes some eight bytes. Producers stand in the order of their last batch, the
// longest silent first; batches oldest first.

import { VARINT_BYTES_MAX, readVarint, writeVarint, type ReadPosition } from '@sluice/protocol'
import type { KnownProducer } from './producer-state.js'
import { RememberedBatches } from './remembered-batches.js'

const VERSION = 2
const NUMBERS_PER_PRODUCER = 5
const NUMBERS_PER_BATCH = 3

/** @param batchCount batches of all producers together. */
export function writeProducers (producers: ReadonlyMap<number, KnownProducer>, batchCount: number): Buffer {
  const numbers = 1 + producers.size * NUMBERS_PER_PRODUCER + batchCount * NUMBERS_PER_BATCH
  const bytes = Buffer.allocUnsafe(1 + numbers * VARINT_BYTES_MAX)
  bytes[0] = VERSION
  let at = writeVarint(bytes, producers.size, 1)
  let endOffset = 0
  const writeBatch = (firstSequence: number, recordCount: number, baseOffset: number): void => {
    at = writeVarint(bytes, firstSequence, at)
    at = writeVarint(bytes, recordCount, at)
    at = writeVarint(bytes, baseOffset - endOffset, at)
    endOffset = baseOffset + recordCount
  }
  for (const [producerId, { epoch, lastSequence, lastSeenMs, batches }] of producers) {
    at = writeVarint(bytes, producerId, at)
    at = writeVarint(bytes, epoch, at)
    at = writeVarint(bytes, lastSequence, at)
    at = writeVarint(bytes, lastSeenMs, at)
    at = writeVarint(bytes, batches.size, at)
    endOffset = 0
    batches.forEach(writeBatch)
  }
  // A copy of what is used: the snapshot may wait for its log for a while.
  return Buffer.from(bytes.subarray(0, at))
}

/**
 * Producers by id, in the order of the snapshot.
 *
 * @param batchesMax most that are kept of each; the oldest go where the snapshot has more.
 * @throws Error where the bytes are not a whole snapshot.
 */
export function readProducers (bytes: Buffer, batchesMax: number): Map<number, KnownProducer> {
  if (bytes[0] !== VERSION) throw new Error(`producer snapshot of version ${bytes[0]}, not ${VERSION}`)
  const at: ReadPosition = { position: 1 }
  const next = (): number => {
    const value = readVarint(bytes, at, bytes.length)
    if (value < 0) throw new Error(`producer snapshot ends, or makes no sense, at byte ${at.position}`)
    return value
  }
  const producers = new Map<number, KnownProducer>()
  for (let left = next(); left > 0; left--) {
    const producerId = next()
    const producer: KnownProducer = {
      epoch: next(), lastSequence: next(), lastSeenMs: next(), batches: new RememberedBatches(batchesMax),
    }
    let endOffset = 0
    for (let batchesLeft = next(); batchesLeft > 0; batchesLeft--) {
      const firstSequence = next()
      const recordCount = next()
      const baseOffset = endOffset + next()
      producer.batches.add(firstSequence, recordCount, baseOffset)
      endOffset = baseOffset + recordCount
    }
    producers.set(producerId, producer)
  }
  if (at.position !== bytes.length) throw new Error(`producer snapshot has ${bytes.length - at.position} bytes too many`)
  return producers
}
