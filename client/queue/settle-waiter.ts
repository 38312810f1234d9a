// Who hears how it went with one settled record: a promise, and as little around it as can be.
//
// There is one for each record that is acknowledged, tens of thousands at once, so it costs no closure of its own. That
// nobody waits for the promise does no harm: it counts as handled from the moment it is rejected.

import type { BrokerError } from '../broker-error.js'
import type { SettleOutcome } from './queue-records.js'

type Resolve = (outcome: SettleOutcome) => void
type Reject = (error: BrokerError) => void

/** The settling functions of the promise made last. */
let newResolve: Resolve
let newReject: Reject
const takeFunctions = (resolve: Resolve, reject: Reject): void => {
  newResolve = resolve
  newReject = reject
}
const ignore = (): void => {}

/** See the head of this file. */
export class SettleWaiter {
  readonly outcome: Promise<SettleOutcome>
  readonly resolve: Resolve
  private readonly rejectOutcome: Reject

  constructor () {
    this.outcome = new Promise<SettleOutcome>(takeFunctions)
    this.resolve = newResolve
    this.rejectOutcome = newReject
  }

  reject (error: BrokerError): void {
    this.outcome.catch(ignore)
    this.rejectOutcome(error)
  }
}
