// Who hears what became of one record of `send`: a promise, and as little around it as can be.

import type { BrokerError } from '../broker-error.js'
import type { SendWaiter } from './outgoing-batch.js'
import { sentRecord, type SentRecord } from './sent-record.js'

type Resolve = (sent: SentRecord) => void
type Reject = (error: BrokerError) => void

/** The settling functions of the promise made last. */
let newResolve: Resolve
let newReject: Reject
const takeFunctions = (resolve: Resolve, reject: Reject): void => {
  newResolve = resolve
  newReject = reject
}

/** See the head of this file. */
export class SentPromise implements SendWaiter {
  index = 0
  timestamp = 0
  readonly sent: Promise<SentRecord>
  readonly reject: Reject
  private readonly topic: string
  private readonly resolveSent: Resolve

  constructor (topic: string) {
    this.topic = topic
    this.sent = new Promise<SentRecord>(takeFunctions)
    this.resolveSent = newResolve
    this.reject = newReject
  }

  resolve (partition: number, offset: number, timestamp: number, isDuplicate: boolean): void {
    this.resolveSent(sentRecord(this.topic, partition, offset, timestamp, isDuplicate))
  }
}
