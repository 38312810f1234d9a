// Brings the queue groups of a partition back after a restart: from the checkpoint in the meta store, where that fits
// the state log, else from the last image in the log; then the deltas behind it.

import { RecordReader } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import { QueueStateFault } from '../queue/byte-reader.js'
import { readDelayPiece } from './delay-image.js'
import type { HostedQueueGroup } from './hosted-queue-group.js'
import { STATE_KEY, visitStateRecords } from './state-records.js'

/** Offsets of the state log that the last complete image takes up: [begin, end). */
export interface ImagePlace { readonly begin: number, readonly end: number }

/** Finds the last complete image; null where there is none. */
export async function findImage (log: PartitionLog): Promise<ImagePlace | null> {
  let place: ImagePlace | null = null
  const reader = new RecordReader()
  await log.replay(log.logStartOffset, batch => visitStateRecords(batch, reader, (key, value, offset) => {
    if (key !== STATE_KEY.imageEnd || value === null) return
    const { begin } = JSON.parse(value.toString()) as { begin: number }
    if (begin >= log.logStartOffset) place = { begin, end: offset + 1 }
  }))
  return place
}

/**
 * Fills groups that are new with what an image says of them.
 *
 * @param groupOf answers null for a group that is gone
 * @param between is waited for now and then
 */
export async function restoreImage (
  log: PartitionLog, { begin, end }: ImagePlace, groupOf: (name: string) => HostedQueueGroup | null,
  between?: () => Promise<void>,
): Promise<void> {
  const reader = new RecordReader()
  const snapshots = new Map<string, Buffer[]>()
  await log.replay(begin, batch => visitStateRecords(batch, reader, (key, value, offset) => {
    if (offset < begin || offset >= end || value === null) return
    if (key.startsWith(STATE_KEY.snapshot)) {
      const name = key.slice(STATE_KEY.snapshot.length)
      const pieces = snapshots.get(name)
      if (pieces === undefined) snapshots.set(name, [Buffer.from(value)])
      else pieces.push(Buffer.from(value))
    } else if (key.startsWith(STATE_KEY.delayed)) {
      const delayed = groupOf(key.slice(STATE_KEY.delayed.length))?.delayed
      if (delayed === undefined) return
      readDelayPiece(value, (at, held) => delayed.put(at, held.clock, held.dueMs, held.record))
    }
  }), between)
  for (const [name, pieces] of snapshots) groupOf(name)?.idle.restore(Buffer.concat(pieces))
}

/**
 * Applies the deltas from `fromOffset` on.
 *
 * @param between is waited for now and then
 * @returns the first fault of each group whose deltas have a hole: the group stands before it
 */
export async function replayDeltas (
  log: PartitionLog, fromOffset: number, groupOf: (name: string) => HostedQueueGroup | null,
  between?: () => Promise<void>,
): Promise<Map<string, QueueStateFault>> {
  const reader = new RecordReader()
  const faults = new Map<string, QueueStateFault>()
  await log.replay(fromOffset, batch => visitStateRecords(batch, reader, (key, value, offset) => {
    if (offset < fromOffset || value === null || !key.startsWith(STATE_KEY.delta)) return
    const name = key.slice(STATE_KEY.delta.length)
    if (faults.has(name)) return
    try {
      groupOf(name)?.idle.replay(value)
    } catch (fault) {
      if (!(fault instanceof QueueStateFault)) throw fault
      faults.set(name, fault)
    }
  }), between)
  return faults
}
