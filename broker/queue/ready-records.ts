// The READY records that are picked by offset: a heap that may hold offsets that are no longer READY.

import { OffsetHeap } from './offset-heap.js'
import type { QueueState } from './queue-state.js'
import { RECORD_STATE } from './queue-types.js'
import { NO_SLOT } from './record-ledger.js'

const SLACK = 1024

export class ReadyRecords {
  private readonly state: QueueState
  private readonly heap = new OffsetHeap()

  constructor (state: QueueState) {
    this.state = state
  }

  get isEmpty (): boolean { return this.first() === NO_SLOT }

  push (offset: number): void {
    this.heap.push(offset)
    if (this.heap.size > SLACK && this.heap.size > 2 * this.state.counts[RECORD_STATE.READY]!) {
      this.heap.filter(held => this.slotOf(held) !== NO_SLOT)
    }
  }

  /** Slot of the READY record of the lowest offset, or `NO_SLOT`. It stays. */
  first (): number {
    for (;;) {
      if (this.heap.size === 0) return NO_SLOT
      const slot = this.slotOf(this.heap.first)
      if (slot !== NO_SLOT) return slot
      this.heap.pop()
    }
  }

  /** Takes the first out. */
  drop (): void { this.heap.pop() }

  private slotOf (offset: number): number {
    const slot = this.state.ledger.find(offset)
    return slot !== NO_SLOT && this.state.ledger.states[slot] === RECORD_STATE.READY ? slot : NO_SLOT
  }
}
