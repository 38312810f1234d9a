// Where decisions become state: each mutation is carried out and written down in one go, so that the state in memory
// is always what the deltas add up to. A turn's mutations are one delta, with one time.

import { DeltaWriter } from './delta-writer.js'
import type { Endings } from './endings.js'
import type { DeltaHeader, Mutations } from './mutations.js'
import type { QueueClock } from './queue-clock.js'
import { END_CAUSE, QUEUE_LIMITS, type DelayClock, type EndCause, type Reason } from './queue-types.js'
import type { QueueState } from './queue-state.js'
import { UndurableEnds } from './undurable-ends.js'

export class Journal implements Mutations {
  readonly ends = new UndurableEnds()
  private readonly state: QueueState
  private readonly clock: QueueClock
  private readonly endings: Endings
  private readonly writer = new DeltaWriter()
  private header: DeltaHeader | null = null
  private epoch = 0

  constructor (state: QueueState, clock: QueueClock, endings: Endings) {
    this.state = state
    this.clock = clock
    this.endings = endings
  }

  /** Sequence of the delta that holds everything said so far. */
  get sequence (): number { return this.state.sequence }

  get isOpen (): boolean { return this.header !== null }

  /** Queue time of the delta that what is said next goes into: durations in it count from there. */
  get timeMs (): number { return this.header?.timeMs ?? Math.max(this.clock.nowMs, this.state.timeMs) }

  /** From now on deltas are of this epoch. */
  startEpoch (epoch: number): void { this.epoch = epoch }

  /** The delta of this turn, or null where nothing has changed. */
  take (): Uint8Array | null {
    if (Math.abs(this.clock.skewMs - this.state.skewMs) > QUEUE_LIMITS.skewToRecordMs) this.open()
    const { header } = this
    if (header === null) return null
    this.header = null
    return this.writer.take(header)
  }

  lead (): void {
    this.open()
    this.writer.lead()
    this.state.lead()
  }

  session (number: number, sessionId: number, flags: number): void {
    this.open()
    this.writer.session(number, sessionId, flags)
    this.state.session(number, sessionId, flags)
  }

  sessionEnd (number: number): void {
    this.open()
    this.writer.sessionEnd(number)
    this.state.sessionEnd(number)
  }

  next (offset: number): void {
    this.open()
    this.writer.next(offset)
    this.state.next(offset)
  }

  place (offset: number, lane: number, expiresMs: number): void {
    this.open()
    this.writer.place(offset, lane, expiresMs)
    this.state.place(offset, lane, expiresMs)
  }

  lease (offset: number, count: number, session: number, durationMs: number): void {
    this.open()
    this.writer.lease(offset, count, session, durationMs)
    this.state.lease(offset, count, session, durationMs)
  }

  start (offset: number, count: number, durationMs: number): void {
    this.open()
    this.writer.start(offset, count, durationMs)
    this.state.start(offset, count, durationMs)
  }

  extend (offset: number, count: number, durationMs: number): void {
    this.open()
    this.writer.extend(offset, count, durationMs)
    this.state.extend(offset, count, durationMs)
  }

  release (offset: number, count: number): void {
    this.open()
    this.writer.release(offset, count)
    this.state.release(offset, count)
  }

  retry (offset: number, reason: Reason, dueMs: number, text: string): void {
    this.open()
    this.writer.retry(offset, reason, dueMs, text)
    this.state.retry(offset, reason, dueMs, text)
  }

  defer (offset: number, clock: DelayClock, dueMs: number): void {
    this.open()
    this.writer.defer(offset, clock, dueMs)
    this.state.defer(offset, clock, dueMs)
  }

  die (offset: number, reason: Reason, text: string): void {
    this.open()
    this.writer.die(offset, reason, text)
    this.state.die(offset, reason, text)
  }

  end (offset: number, count: number, cause: EndCause): void {
    this.open()
    this.writer.end(offset, count, cause)
    if (cause === END_CAUSE.damaged) this.endings.addRange(offset, offset + count, cause)
    else if (cause !== END_CAUSE.acknowledged) this.endings.add(offset, count, cause)
    this.state.end(offset, count, cause)
    this.ends.add(this.state.sequence, offset, offset + count)
  }

  endAhead (offset: number, cause: EndCause): void {
    this.open()
    this.writer.endAhead(offset, cause)
    if (cause !== END_CAUSE.acknowledged) this.endings.add(offset, 1, cause)
    this.state.endAhead(offset, cause)
    this.ends.add(this.state.sequence, offset, offset + 1)
  }

  forget (offset: number): void {
    this.open()
    this.writer.forget(offset)
    this.state.forget(offset)
  }

  lane (lane: number, position: number, flags: number): void {
    this.open()
    this.writer.lane(lane, position, flags)
    this.state.lane(lane, position, flags)
  }

  laneEnd (lane: number): void {
    this.open()
    this.writer.laneEnd(lane)
    this.state.laneEnd(lane)
  }

  trim (endOffset: number, fresh: number, cause: EndCause): void {
    this.open()
    this.writer.trim(endOffset, fresh, cause)
    this.endings.addTrim(this.state, endOffset, cause)
    this.state.trim(endOffset, fresh, cause)
    this.ends.add(this.state.sequence, 0, endOffset)
  }

  pause (paused: boolean): void {
    this.open()
    this.writer.pause(paused)
    this.state.pause(paused)
  }

  cancelRequest (offset: number): void {
    this.open()
    this.writer.cancelRequest(offset)
    this.state.cancelRequest(offset)
  }

  clearFailures (offset: number): void {
    this.open()
    this.writer.clearFailures(offset)
    this.state.clearFailures(offset)
  }

  private open (): void {
    if (this.header !== null) return
    this.header = {
      epoch: this.epoch,
      sequence: this.state.sequence + 1,
      timeMs: this.timeMs,
      skewMs: this.clock.skewMs,
    }
    this.state.begin(this.header)
  }
}
