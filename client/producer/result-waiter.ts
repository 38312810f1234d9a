import type { BrokerError } from '../broker-error.js'
import type { BatchResults } from './batch-results.js'
import type { SendWaiter } from './outgoing-batch.js'

/** Puts what became of one record of a `sendBatch` into its place. */
export class ResultWaiter implements SendWaiter {
  index = 0
  timestamp = 0
  private readonly results: BatchResults
  private readonly place: number

  constructor (results: BatchResults, place: number) {
    this.results = results
    this.place = place
  }

  resolve (partition: number, offset: number, timestamp: number, isDuplicate: boolean): void {
    const { topic } = this.results
    this.results.settle(this.place, isDuplicate
      ? { ok: true, topic, partition, offset, timestamp, duplicate: true }
      : { ok: true, topic, partition, offset, timestamp })
  }

  reject (error: BrokerError): void { this.results.fail(this.place, error) }
}
