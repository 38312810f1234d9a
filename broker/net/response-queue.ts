// Keeps responses in the order of their requests.
//
// Each ordered request takes a slot when it arrives; its response fills it. Responses leave from the front, as far as
// slots are filled. What was asked for with the UNORDERED flag has no slot and leaves when it is ready.

/** The place of a response that is to come. */
export interface ResponseSlot {
  /** Null while the response is not there; empty for a request without one. */
  buffers: readonly Buffer[] | null
}

export class ResponseQueue {
  private readonly send: (buffers: readonly Buffer[]) => void
  private slots: ResponseSlot[] = []
  private head = 0

  constructor (send: (buffers: readonly Buffer[]) => void) {
    this.send = send
  }

  get length (): number { return this.slots.length - this.head }

  take (): ResponseSlot {
    const slot: ResponseSlot = { buffers: null }
    this.slots.push(slot)
    return slot
  }

  /** Fills a slot and sends all that is ready. */
  fill (slot: ResponseSlot, buffers: readonly Buffer[]): void {
    slot.buffers = buffers
    while (this.head < this.slots.length && this.slots[this.head]!.buffers !== null) {
      const ready = this.slots[this.head++]!.buffers!
      if (ready.length > 0) this.send(ready)
    }
    if (this.head === this.slots.length) {
      this.slots.length = 0
      this.head = 0
    } else if (this.head > 1024 && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head)
      this.head = 0
    }
  }
}
