// Picks the records that were granted out of the batches that hold them.
//
//   batches:  [ 0 1 2 3 4 5 ][ 6 7 8 9 ]      runs: [1, 3) [5, 6) [8, 10)
//                 ▲ ▲     ▲      ▲ ▲
//
// Batches rise by offset and so do the runs once they are sorted: one walk finds all. A batch that is damaged or cannot
// be decompressed gives nothing; the caller sees which records are missing.

import { BATCH_FLAG, BATCH_POSITION, checkBatch, RecordReader } from '@sluice/protocol'

/** Offsets [offset, offset + count). */
export interface OffsetRun { readonly offset: number, readonly count: number }

/**
 * Calls `take` for each record of `runs` that the batches hold, by offset; the reader stands on it.
 *
 * @returns what is wrong with the first batch that could not be read, or null.
 */
export function readGranted<R extends OffsetRun> (
  batches: Buffer, runs: readonly R[], take: (reader: RecordReader, run: R) => void,
): string | null {
  const sorted = runs.slice().sort((a, b) => a.offset - b.offset)
  const reader = new RecordReader()
  let fault: string | null = null
  let next = 0
  for (let position = 0; position < batches.length && next < sorted.length;) {
    const damage = checkBatch(batches, position)
    // Without a sound size there is no next batch.
    if (damage !== null) return fault ?? `damaged (${damage})`
    if ((batches.readUInt16BE(position + BATCH_POSITION.flags) & BATCH_FLAG.control) === 0) {
      try {
        reader.open(batches, position)
        while (next < sorted.length && reader.next()) {
          while (next < sorted.length && reader.offset >= sorted[next]!.offset + sorted[next]!.count) next++
          if (next < sorted.length && reader.offset >= sorted[next]!.offset) take(reader, sorted[next]!)
        }
      } catch (error) {
        fault ??= (error as Error).message
      }
    }
    position += batches.readUInt32BE(position + BATCH_POSITION.size)
  }
  return fault
}
