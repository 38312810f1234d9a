// When each of the last records was sent, by its number, in a ring.

const RECORDS = 1 << 20

export class SentTimes {
  private readonly times = new Float64Array(RECORDS)

  /** Notes that a record is sent now. */
  note (sequence: number): void { this.times[sequence % RECORDS] = performance.now() }

  /** When it was sent, on the clock of `performance.now()`. */
  at (sequence: number): number { return this.times[sequence % RECORDS]! }
}
