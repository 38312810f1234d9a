// Hands out records to `for await`, one after the other, at the cost of one resolved promise each.
//
// An async generator costs three times as much, and a record that is there already needs no waiting: `next` looks for
// one at once, and only where there is none does it wait.
//
// Invariant: calls are answered in their order, also where several are made before the first is answered.

/** Where records come from. */
export interface RecordSource<R> {
  /** The next record; null where there is none now, undefined where there will be none any more. May throw. */
  take (): R | null | undefined
  /** Resolves when `take` may have more to give; asked after it gave null, in the same turn. */
  wait (): Promise<void>
  /** The next record is asked for, so that this one is done. */
  onDone (record: R): void
  /** Nothing more is asked for; `record` is the one handed out last, null where it is done or there was none. */
  onReturn (record: R | null): void
}

/** See the head of this file. */
export class RecordIterator<R> implements AsyncGenerator<R, void, undefined> {
  readonly [Symbol.toStringTag] = 'RecordIterator'
  private readonly source: RecordSource<R>
  private inHand: R | null = null
  /** The call that waits for a record; null where none does. */
  private waiting: Promise<unknown> | null = null
  private returned = false

  constructor (source: RecordSource<R>) {
    this.source = source
  }

  next (): Promise<IteratorResult<R, void>> {
    if (this.waiting !== null) {
      const again = (): Promise<IteratorResult<R, void>> => this.next()
      return this.waiting.then(again, again)
    }
    try {
      const record = this.take()
      if (record === null) return this.nextLater()
      return Promise.resolve(this.resultOf(record))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  return (): Promise<IteratorResult<R, void>> {
    if (!this.returned) {
      this.returned = true
      const { inHand } = this
      this.inHand = null
      this.source.onReturn(inHand)
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  throw (error: unknown): Promise<IteratorResult<R, void>> {
    return this.return().then(() => { throw error })
  }

  [Symbol.asyncIterator] (): this { return this }

  async [Symbol.asyncDispose] (): Promise<void> { await this.return() }

  private take (): R | null | undefined {
    if (this.returned) return undefined
    const { inHand } = this
    if (inHand !== null) {
      this.inHand = null
      this.source.onDone(inHand)
    }
    return this.source.take()
  }

  private resultOf (record: R | undefined): IteratorResult<R, void> {
    if (record === undefined) return { done: true, value: undefined }
    this.inHand = record
    return { done: false, value: record }
  }

  private nextLater (): Promise<IteratorResult<R, void>> {
    const later = this.waitForNext()
    this.waiting = later
    return later
  }

  private async waitForNext (): Promise<IteratorResult<R, void>> {
    try {
      for (;;) {
        await this.source.wait()
        const record = this.take()
        if (record !== null) return this.resultOf(record)
      }
    } finally {
      this.waiting = null
    }
  }
}
