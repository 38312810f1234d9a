// Whether the records that a reader has read before an offset are those that the log holds there. A forced recovery, or
// a power cut without `flush` `sync`, takes records back that were read: others come in their place, and only the epoch
// of what was read last tells.
//
//   read         … │ epoch 5 ·························· │ offset               lastEpoch 5
//   in the log   … │ epoch 5 ········ │ epoch 7 ··················· │ end      cut: where epoch 5 ends here
//
// Between the cut and the offset there must be something that such a reader would have read, or the word of a forced
// recovery. A reader that passes over the brokers' own batches without taking their epoch names an old one after every
// failover, and lost nothing.
//
//   read         … │ epoch 5 ········ │ epoch 7 starts │ offset              lastEpoch 5, and should be 7
//
// Only a leader can tell, once a majority has confirmed that it leads: the log of another replica may end early, or
// with what will be cut.

import { BATCH_FLAG, readBatchHeader } from '@sluice/protocol'
import type { LogSlice, PartitionLog } from '@sluice/storage'
import { readControlBatch } from '../replica/control-batch.js'

/** Batches that are looked at, at most: so many without a record in a row are nothing that anybody has read. */
const BATCHES_MAX = 64

/**
 * Where the log may have left what was read before `offset`, the last of it under `lastEpoch`; -1 where nothing speaks
 * for that. At or above `offset` where the log knows nothing of that epoch, but of newer ones.
 */
export function suspectedCut (log: PartitionLog, offset: number, lastEpoch: number): number {
  if (lastEpoch < 0 || (lastEpoch === log.lastEpoch && offset <= log.nextOffset)) return -1
  const { epoch, endOffset } = log.epochEndOffset(lastEpoch)
  // Of what is older than all that is known here nothing can be said, nor of what retention has removed.
  if (epoch === -1 || endOffset < log.logStartOffset) return -1
  // One that is not known here was lost as a whole, if something newer is; where it began nobody can tell.
  const isUnknown = epoch !== lastEpoch && endOffset < log.nextOffset
  return endOffset < offset || isUnknown ? endOffset : -1
}

/**
 * Calls back with true where records below `offset` were lost, which the log left at `cut`; false where that cannot be
 * told. Never before it has returned.
 */
export function findLoss (log: PartitionLog, cut: number, offset: number, done: (isLost: boolean) => void): void {
  let left = BATCHES_MAX
  const look = (from: number): void => {
    log.read(from, 1, log.nextOffset, (error, slice) => {
      if (error !== null) return done(false)
      // Behind the end there was only what is lost.
      if (slice!.sizeBytes === 0) return done(offset > from)
      const { nextOffset } = slice!
      const said = saidBy(slice!)
      slice!.release?.()
      if (said === 'loss' || (said === 'records' && from < offset)) done(true)
      else if (nextOffset >= offset || --left === 0) done(false)
      else look(nextOffset)
    })
  }
  look(cut)
}

function saidBy ({ buffers }: LogSlice): 'records' | 'loss' | 'nothing' {
  const { flags, recordCount, size } = readBatchHeader(buffers[0]!)
  if ((flags & BATCH_FLAG.control) === 0) return recordCount > 0 ? 'records' : 'nothing'
  return readControlBatch(buffers[0]!.subarray(0, size)).dataLoss === null ? 'nothing' : 'loss'
}
