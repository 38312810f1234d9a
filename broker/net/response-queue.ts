// Keeps responses in the order of their requests.
//
// Each ordered request takes a slot when it arrives; its response fills it. Responses leave from the front, as far as
// slots are filled. What was asked for with the UNORDERED flag has no slot and leaves when it is ready.

/** The place of a response that is to come. */
export interface ResponseSlot {
  /** Null while the response is not there; empty for a request without one. */
  buffers: readonly Buffer[] | null
  sizeBytes: number
  /** Called when the system has taken all of the response; null where nobody wants to know. */
  onSent: (() => void) | null
  /** Called once when the slot comes to the front and is not filled yet. */
  onFirst: (() => void) | null
}

type SendResponse = (buffers: readonly Buffer[], sizeBytes: number, onSent: (() => void) | null) => void

export class ResponseQueue {
  private readonly send: SendResponse
  private slots: ResponseSlot[] = []
  private head = 0
  private heldBytes = 0

  constructor (send: SendResponse) {
    this.send = send
  }

  get length (): number { return this.slots.length - this.head }

  /** Bytes of responses that wait for one before them. */
  get waitingBytes (): number { return this.heldBytes }

  take (): ResponseSlot {
    const slot: ResponseSlot = { buffers: null, sizeBytes: 0, onSent: null, onFirst: null }
    this.slots.push(slot)
    return slot
  }

  /** True where no response has to leave before that of `slot`. */
  isFirst (slot: ResponseSlot): boolean { return this.slots[this.head] === slot }

  /** Fills a slot and sends all that is ready. */
  fill (
    slot: ResponseSlot, buffers: readonly Buffer[], sizeBytes: number, onSent: (() => void) | null = null,
  ): void {
    slot.onSent = onSent
    slot.buffers = buffers
    slot.sizeBytes = sizeBytes
    this.heldBytes += sizeBytes
    while (this.head < this.slots.length && this.slots[this.head]!.buffers !== null) {
      const ready = this.slots[this.head++]!
      this.heldBytes -= ready.sizeBytes
      if (ready.sizeBytes > 0) this.send(ready.buffers!, ready.sizeBytes, ready.onSent)
    }
    if (this.head === this.slots.length) {
      this.slots.length = 0
      this.head = 0
      return
    }
    if (this.head > 1024 && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head)
      this.head = 0
    }
    const first = this.slots[this.head]!
    const { onFirst } = first
    first.onFirst = null
    onFirst?.()
  }
}
