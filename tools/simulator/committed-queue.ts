// What the committed part of a state log adds up to: the queue group as every leader has to find it. It is told of each
// delta when it is committed, remembers how each record ended, and looks whether that makes sense.
//
// - Deltas follow each other without a gap, whoever wrote them.
// - A record ends once.
// - Nothing is below the floor that has not ended (Q1, I2 of the queue).

import {
  type EndCause, MemoryDelayStore, QueueState, readDelta, RECORD_STATE,
} from '@sluice/broker/simulation'

export interface RecordEnd { readonly cause: EndCause, readonly epoch: number }

export class CommittedQueue extends QueueState {
  readonly endings = new Map<number, RecordEnd>()
  private readonly fail: (message: string) => void
  private readonly hasRecord: (offset: number) => boolean
  private checkedOffset = 0

  constructor (hasRecord: (offset: number) => boolean, fail: (message: string) => void) {
    super(new MemoryDelayStore())
    this.hasRecord = hasRecord
    this.fail = fail
  }

  onDelta (delta: Uint8Array): void {
    try {
      readDelta(delta, header => this.begin(header))
    } catch (fault) {
      return this.fail(`the committed deltas do not add up: ${(fault as Error).message}`)
    }
    for (const { floor } = this; this.checkedOffset < floor; this.checkedOffset++) {
      const offset = this.checkedOffset
      if (this.hasRecord(offset) && !this.endings.has(offset)) {
        return this.fail(`the floor is ${floor}, and nobody has settled ${offset}`)
      }
    }
  }

  override end (offset: number, count: number, cause: EndCause): void {
    super.end(offset, count, cause)
    for (let each = offset; each < offset + count; each++) this.note(each, cause)
  }

  override endAhead (offset: number, cause: EndCause): void {
    super.endAhead(offset, cause)
    this.note(offset, cause)
  }

  override trim (endOffset: number, fresh: number, cause: EndCause): void {
    super.trim(endOffset, fresh, cause)
    for (let offset = this.checkedOffset; offset < endOffset; offset++) {
      if (!this.endings.has(offset)) this.endings.set(offset, { cause, epoch: this.epoch })
    }
  }

  /** True where a record is leased to a session. */
  isLeasedTo (offset: number, sessionId: number): boolean {
    const slot = this.ledger.find(offset)
    return slot >= 0 && this.ledger.states[slot] === RECORD_STATE.LEASED &&
      this.sessions.numbered(this.ledger.sessions[slot]!)?.sessionId === sessionId
  }

  /** How often a record was handed out, as far as that is committed. */
  deliveriesOf (offset: number): number {
    const slot = this.ledger.find(offset)
    return slot < 0 ? 0 : this.ledger.deliveries[slot]!
  }

  /** Its failed attempts, likewise. */
  failuresOf (offset: number): number {
    const slot = this.ledger.find(offset)
    return slot < 0 ? 0 : this.ledger.failures[slot]!
  }

  private note (offset: number, cause: EndCause): void {
    const known = this.endings.get(offset)
    if (known !== undefined) this.fail(`record ${offset} ends for cause ${cause} after it has ended for cause ${known.cause}`)
    this.endings.set(offset, { cause, epoch: this.epoch })
  }
}

/** Where two states that are said to be the same differ; null where they do not. */
export function differenceOf (a: QueueState, b: QueueState): string | null {
  const figures = ({ epoch, sequence, timeMs, nextOffset, leaseCounter, paused, ended, floor }: QueueState): string =>
    [epoch, sequence, timeMs, nextOffset, leaseCounter, paused, floor, ...ended].join()
  if (figures(a) !== figures(b)) return `${figures(a)} / ${figures(b)}`
  return differenceIn(recordsOf(a), recordsOf(b)) ?? differenceIn(lanesOf(a), lanesOf(b)) ??
    differenceIn(sessionsOf(a), sessionsOf(b))
}

/** What lies on the disk of one may be in the memory of the other. */
const FAR = 'far'

function recordsOf (state: QueueState): Map<number, string> {
  const { ledger, delayed } = state
  const texts = new Map<number, string>()
  for (const offset of delayed.offsetsIn(0, Number.MAX_SAFE_INTEGER, 10_000)) texts.set(offset, FAR)
  for (const offset of ledger.sortedOffsets()) {
    const slot = ledger.find(offset)
    const isWaiting = ledger.states[slot] === RECORD_STATE.READY || ledger.states[slot] === RECORD_STATE.DELAYED
    texts.set(offset, [
      isWaiting ? 'waiting' : ledger.states[slot], ledger.flags[slot], ledger.times[slot], ledger.leaseEpochs[slot],
      ledger.leaseSequences[slot], ledger.leasedAt[slot], ledger.sessions[slot], ledger.lanes[slot],
      ledger.expires[slot], ledger.failures[slot], ledger.deliveries[slot],
      JSON.stringify(state.notes.get(offset) ?? null),
    ].join(' '))
  }
  return texts
}

function lanesOf ({ lanes }: QueueState): Map<number, string> {
  return new Map(lanes.sortedSlots().map(slot =>
    [lanes.lanes[slot]!, `at ${lanes.positions[slot]} flags ${lanes.flags[slot]} leased ${lanes.leased[slot]}`]))
}

function sessionsOf ({ sessions }: QueueState): Map<number, string> {
  return new Map([...sessions.all()].map(({ number, sessionId, flags, leaseCount }) =>
    [number, `${sessionId} flags ${flags} leases ${leaseCount}`]))
}

function differenceIn (a: ReadonlyMap<number, string>, b: ReadonlyMap<number, string>): string | null {
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(key), b.get(key)]
    const isSame = left === right || (left !== undefined && right !== undefined && (left === FAR || right === FAR))
    if (!isSame) return `${key}: ${left} / ${right}`
  }
  return null
}
