// Judges the committed offsets of a stream group on one partition (Q9, Q10): in the state log they never go back, by
// generation and then by offset, nor beyond what is committed; who asks is never told less than what was acknowledged
// before, and never nothing.

import type { GroupOffset } from '@sluice/broker/simulation'

export class OffsetsChecker {
  ackCount = 0
  readCount = 0
  private committed: GroupOffset | null = null
  /** The furthest that was acknowledged. */
  private acked: GroupOffset | null = null
  private readonly highWatermark: () => number
  private readonly fail: (invariant: string, message: string) => void

  /** @param highWatermark end of what is committed in the data log */
  constructor (highWatermark: () => number, fail: (invariant: string, message: string) => void) {
    this.highWatermark = highWatermark
    this.fail = fail
  }

  get latest (): GroupOffset | null { return this.acked }

  onCommitted (offset: GroupOffset): void {
    if (isBehind(offset, this.committed)) this.fail('Q9', `${say(offset)} is committed after ${say(this.committed)}`)
    if (offset.offset > this.highWatermark()) this.fail('Q9', `${say(offset)} is committed, the log ends at ${this.highWatermark()}`)
    this.committed = offset
  }

  onAcknowledged (offset: GroupOffset): void {
    this.ackCount++
    if (isBehind(this.committed, offset)) this.fail('Q9', `${say(offset)} is acknowledged, ${say(this.committed)} is committed`)
    if (isBehind(this.acked, offset)) this.acked = offset
  }

  /** @param before what was acknowledged when it was asked */
  onRead (offset: GroupOffset | null, before: GroupOffset | null): void {
    this.readCount++
    if (isBehind(offset, before)) this.fail('Q10', `${say(offset)} is read after ${say(before)} was acknowledged`)
    if (isBehind(this.committed, offset)) this.fail('Q9', `${say(offset)} is read, ${say(this.committed)} is committed`)
  }
}

function isBehind (a: GroupOffset | null, b: GroupOffset | null): boolean {
  if (b === null) return false
  if (a === null) return true
  return a.generation < b.generation || (a.generation === b.generation && a.offset < b.offset)
}

function say (offset: GroupOffset | null): string {
  return offset === null ? 'nothing' : `offset ${offset.offset} of generation ${offset.generation}`
}
