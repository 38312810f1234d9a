// An answer that leaves when all its parts are durable, or when its time is over.

import type { BrokerServices } from './services.js'

export class DurableAnswers {
  private readonly services: BrokerServices
  private readonly timeoutMs: number
  private readonly respond: () => void
  /** Parts not durable yet, and one for the request while it is being taken in. */
  private waiting = 1
  private cancelDeadline: () => void = () => {}

  /** @param respond runs once, or again after the time was over: it must not mind. */
  constructor (services: BrokerServices, timeoutMs: number, respond: () => void) {
    this.services = services
    this.timeoutMs = timeoutMs
    this.respond = respond
  }

  /** One more part to wait for: what is returned says that it is there. */
  expect (): () => void {
    this.waiting++
    return () => this.done()
  }

  /** All parts are known: from here on the answer may leave. */
  start (): void {
    this.done()
    if (this.waiting === 0) return
    const { deadlines, clock } = this.services
    const deadline = deadlines.add(clock.monotonicMs() + this.timeoutMs, () => this.respond())
    this.cancelDeadline = () => deadlines.cancel(deadline)
  }

  private done (): void {
    if (--this.waiting > 0) return
    this.cancelDeadline()
    this.respond()
  }
}
