// Reads what `DeltaWriter` wrote and says it again, change by change.

import { ByteReader, QueueStateFault } from './byte-reader.js'
import { CHANGE, DELTA_VERSION } from './delta-writer.js'
import type { DeltaHeader, Mutations } from './mutations.js'
import { END_CAUSE, END_CAUSES, type DelayClock, type EndCause, type Reason } from './queue-types.js'

export type MutationsOf = (header: DeltaHeader) => Mutations | null

/**
 * Reads a delta. `begin` is given its header first and answers with who is to hear of the changes, or null for nobody.
 *
 * @throws QueueStateFault where the bytes are no delta of a known version. Some changes may have been said by then.
 */
export function readDelta (bytes: Uint8Array, begin: MutationsOf): void {
  const reader = new ByteReader(bytes)
  const version = reader.byte()
  if (version !== DELTA_VERSION) throw new QueueStateFault(`a delta of version ${version}, which is not known here`)
  const into = begin({
    epoch: reader.count(), sequence: reader.count(), timeMs: reader.count(), skewMs: reader.signed(),
  })
  if (into === null) return
  let offset = 0
  const nextOffset = (): number => {
    offset += reader.signed()
    if (offset < 0) throw new QueueStateFault('a delta with an offset below 0')
    return offset
  }
  while (!reader.atEnd) {
    const code = reader.byte()
    if (!readRecordChange(code, reader, nextOffset, into)) readGroupChange(code, reader, nextOffset, into)
  }
}

function readRecordChange (code: number, reader: ByteReader, offset: () => number, into: Mutations): boolean {
  switch (code) {
    case CHANGE.place: into.place(offset(), reader.count() - 1, reader.count()); return true
    case CHANGE.lease: into.lease(offset(), reader.count(), reader.count(), reader.count()); return true
    case CHANGE.start: into.start(offset(), reader.count(), reader.count()); return true
    case CHANGE.extend: into.extend(offset(), reader.count(), reader.count()); return true
    case CHANGE.release: into.release(offset(), reader.count()); return true
    case CHANGE.retry: into.retry(offset(), reader.byte() as Reason, reader.count(), reader.text()); return true
    case CHANGE.defer: into.defer(offset(), reader.byte() as DelayClock, reader.count()); return true
    case CHANGE.die: into.die(offset(), reader.byte() as Reason, reader.text()); return true
    case CHANGE.end: into.end(offset(), reader.count(), causeOf(reader.count())); return true
    case CHANGE.endAhead: into.endAhead(offset(), causeOf(reader.byte())); return true
    case CHANGE.forget: into.forget(offset()); return true
    case CHANGE.cancelRequest: into.cancelRequest(offset()); return true
    case CHANGE.clearFailures: into.clearFailures(offset()); return true
    default: return false
  }
}

function readGroupChange (code: number, reader: ByteReader, offset: () => number, into: Mutations): void {
  switch (code) {
    case CHANGE.lead: return into.lead()
    case CHANGE.session: return into.session(reader.count(), reader.count(), reader.byte())
    case CHANGE.sessionEnd: return into.sessionEnd(reader.count())
    case CHANGE.next: return into.next(offset())
    case CHANGE.lane: {
      const position = offset()
      return into.lane(reader.count(), position, reader.byte())
    }
    case CHANGE.laneEnd: return into.laneEnd(reader.count())
    case CHANGE.trim: return into.trim(offset(), reader.count(), causeOf(reader.byte()))
    case CHANGE.pause: return into.pause(reader.byte() === 1)
    default: throw new QueueStateFault(`a delta with a change of code ${code}, which is not known here`)
  }
}

function causeOf (value: number): EndCause {
  if (value < END_CAUSE.acknowledged || value >= END_CAUSES) throw new QueueStateFault(`an end for cause ${value}, which is not known here`)
  return value as EndCause
}
