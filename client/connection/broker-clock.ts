// What time it is at the brokers, as far as this side can know.
//
//   asked ──────▶ the broker reads its clock ──────▶ answered
//     └─ latestMs: as if it had been read the moment it was asked: never before the broker's own time
//
// It runs on the monotonic clock in between, so that a step of this machine's clock changes nothing.

/** See the head of this file. */
export class BrokerClock {
  /** Broker's time less monotonic time, in milliseconds; null until a broker has told. */
  private aheadMs: number | null = null

  /**
   * A broker has told its time.
   *
   * @param timeMs milliseconds since 1970-01-01 UTC.
   * @param askedAtMs when it was asked, on the monotonic clock.
   */
  learn (timeMs: number, askedAtMs: number): void {
    this.aheadMs = timeMs - askedAtMs
  }

  /** The brokers' time, or a round trip later, in milliseconds since 1970-01-01 UTC. This machine's if unknown. */
  latestMs (): number {
    return this.aheadMs === null ? Date.now() : Math.ceil(this.aheadMs + performance.now())
  }
}
