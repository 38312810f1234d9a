// What a partition's state log holds. A record's key says what it is about; the groups' names end the keys.
//
//   offset/<group>         committed offset of a stream group: JSON, null removes it; the newest counts
//   queue/<group>          a delta of a queue group: each counts, in order; null removes the group
//   image/begin            from here on everything is said anew:
//     offset/<group> …       every committed offset
//     image/queue/<group> …  the snapshot of a queue group, in pieces
//     image/delayed/<group> … what its delay store held at the moment of the snapshot, in pieces
//   image/end              JSON {"begin": offset of image/begin}
//
// Deltas go on while an image is being written: those behind the snapshot in the log come after it in time. A log whose
// image is complete and durable is cut off below its beginning. An image that a crash cut short is nothing.

import { RecordReader } from '@sluice/protocol'

export const STATE_KEY = {
  offset: 'offset/',
  delta: 'queue/',
  imageBegin: 'image/begin',
  snapshot: 'image/queue/',
  delayed: 'image/delayed/',
  imageEnd: 'image/end',
} as const

/** A record of a state log: the value is a view that is valid during the call only. */
export type StateVisitor = (key: string, value: Buffer | null, offset: number) => void

export function visitStateRecords (batch: Buffer, reader: RecordReader, visit: StateVisitor): void {
  reader.open(batch)
  while (reader.next()) visit(reader.key?.toString() ?? '', reader.value, reader.offset)
}
