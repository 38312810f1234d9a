// Writes a delta: the changes of one turn, to be appended to the partition's state log as one record.
//
//   version u8 │ epoch │ sequence │ time │ skew │ change … to the end        varints, unless said otherwise
//   change:  code u8 │ offset, as the distance from the offset before │ what the change needs
//
// Consecutive records with the same change are one change with a count: acknowledging a batch takes a few bytes.

import { ByteWriter } from './byte-writer.js'
import type { DeltaHeader, Mutations } from './mutations.js'
import type { DelayClock, EndCause, Reason } from './queue-types.js'

export const DELTA_VERSION = 1

/** First byte of each change. Part of the encoding: never renumbered. */
export const CHANGE = {
  lead: 1,
  session: 2,
  sessionEnd: 3,
  next: 4,
  place: 5,
  lease: 6,
  start: 7,
  extend: 8,
  release: 9,
  retry: 10,
  defer: 11,
  die: 12,
  end: 13,
  endAhead: 14,
  forget: 15,
  lane: 16,
  laneEnd: 17,
  trim: 18,
  pause: 19,
  cancelRequest: 20,
  clearFailures: 21,
} as const

export class DeltaWriter implements Mutations {
  private readonly bytes = new ByteWriter()
  private lastOffset = 0
  private changes = 0
  // A run that may still grow.
  private runCode = 0
  private runOffset = 0
  private runCount = 0
  private runFirst = 0
  private runSecond = 0

  get isEmpty (): boolean { return this.changes === 0 }

  /** The delta with all changes since the last call. */
  take (header: DeltaHeader): Uint8Array {
    this.flushRun()
    const changes = this.bytes.take()
    this.lastOffset = 0
    this.changes = 0
    this.bytes.byte(DELTA_VERSION)
    this.bytes.count(header.epoch)
    this.bytes.count(header.sequence)
    this.bytes.count(header.timeMs)
    this.bytes.signed(header.skewMs)
    this.bytes.raw(changes)
    return this.bytes.take()
  }

  lead (): void { this.open(CHANGE.lead) }

  session (number: number, sessionId: number, flags: number): void {
    this.open(CHANGE.session)
    this.bytes.count(number)
    this.bytes.count(sessionId)
    this.bytes.byte(flags)
  }

  sessionEnd (number: number): void {
    this.open(CHANGE.sessionEnd)
    this.bytes.count(number)
  }

  next (offset: number): void { this.openAt(CHANGE.next, offset) }

  place (offset: number, lane: number, expiresMs: number): void {
    this.openAt(CHANGE.place, offset)
    this.bytes.count(lane + 1)
    this.bytes.count(expiresMs)
  }

  lease (offset: number, count: number, session: number, durationMs: number): void {
    this.run(CHANGE.lease, offset, count, session, durationMs)
  }

  start (offset: number, count: number, durationMs: number): void {
    this.run(CHANGE.start, offset, count, durationMs, 0)
  }

  extend (offset: number, count: number, durationMs: number): void {
    this.run(CHANGE.extend, offset, count, durationMs, 0)
  }

  release (offset: number, count: number): void { this.run(CHANGE.release, offset, count, 0, 0) }

  retry (offset: number, reason: Reason, dueMs: number, text: string): void {
    this.openAt(CHANGE.retry, offset)
    this.bytes.byte(reason)
    this.bytes.count(dueMs)
    this.bytes.text(text)
  }

  defer (offset: number, clock: DelayClock, dueMs: number): void {
    this.openAt(CHANGE.defer, offset)
    this.bytes.byte(clock)
    this.bytes.count(dueMs)
  }

  die (offset: number, reason: Reason, text: string): void {
    this.openAt(CHANGE.die, offset)
    this.bytes.byte(reason)
    this.bytes.text(text)
  }

  end (offset: number, count: number, cause: EndCause): void { this.run(CHANGE.end, offset, count, cause, 0) }

  endAhead (offset: number, cause: EndCause): void {
    this.openAt(CHANGE.endAhead, offset)
    this.bytes.byte(cause)
  }

  forget (offset: number): void { this.openAt(CHANGE.forget, offset) }

  lane (lane: number, position: number, flags: number): void {
    this.openAt(CHANGE.lane, position)
    this.bytes.count(lane)
    this.bytes.byte(flags)
  }

  laneEnd (lane: number): void {
    this.open(CHANGE.laneEnd)
    this.bytes.count(lane)
  }

  trim (endOffset: number, fresh: number, cause: EndCause): void {
    this.openAt(CHANGE.trim, endOffset)
    this.bytes.count(fresh)
    this.bytes.byte(cause)
  }

  pause (paused: boolean): void {
    this.open(CHANGE.pause)
    this.bytes.byte(paused ? 1 : 0)
  }

  cancelRequest (offset: number): void { this.openAt(CHANGE.cancelRequest, offset) }

  clearFailures (offset: number): void { this.openAt(CHANGE.clearFailures, offset) }

  private open (code: number): void {
    this.flushRun()
    this.changes++
    this.bytes.byte(code)
  }

  private openAt (code: number, offset: number): void {
    this.open(code)
    this.offset(offset)
  }

  private offset (offset: number): void {
    this.bytes.signed(offset - this.lastOffset)
    this.lastOffset = offset
  }

  private run (code: number, offset: number, count: number, first: number, second: number): void {
    if (this.runCode === code && this.runOffset + this.runCount === offset &&
      this.runFirst === first && this.runSecond === second) {
      this.runCount += count
      return
    }
    this.flushRun()
    this.changes++
    this.runCode = code
    this.runOffset = offset
    this.runCount = count
    this.runFirst = first
    this.runSecond = second
  }

  private flushRun (): void {
    const code = this.runCode
    if (code === 0) return
    this.runCode = 0
    this.bytes.byte(code)
    this.offset(this.runOffset)
    this.bytes.count(this.runCount)
    if (code === CHANGE.release) return
    this.bytes.count(this.runFirst)
    if (code === CHANGE.lease) this.bytes.count(this.runSecond)
  }
}
