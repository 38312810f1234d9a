// The results of one `sendBatch`, as they come in: one for each record, in the order of the records.

import type { BrokerError } from '../broker-error.js'
import { deferred } from '../waiting.js'
import { ResultWaiter } from './result-waiter.js'
import type { SendResult } from './sent-record.js'

/** See the head of this file. */
export class BatchResults {
  readonly topic: string
  /** All of them, when the last one is there. */
  readonly done: Promise<SendResult[]>
  private readonly results: SendResult[]
  private left: number
  private readonly finish: (results: SendResult[]) => void

  /** @param count 1 or more. */
  constructor (topic: string, count: number) {
    const done = deferred<SendResult[]>()
    this.topic = topic
    this.done = done.promise
    this.results = new Array<SendResult>(count)
    this.left = count
    this.finish = done.resolve
  }

  /** Who is to hear of the record at `place`. */
  waiter (place: number): ResultWaiter { return new ResultWaiter(this, place) }

  /** Takes the result of the record at `place`, once. */
  settle (place: number, result: SendResult): void {
    this.results[place] = result
    if (--this.left === 0) this.finish(this.results)
  }

  fail (place: number, error: BrokerError): void { this.settle(place, { ok: false, error }) }
}
