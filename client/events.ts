// What happens to a client from outside, for those who want to know.

import type { BrokerError } from './broker-error.js'
import type { Logger } from './client-options.js'

/** Where a record is. */
export interface RecordPlace { readonly topic: string, readonly partition: number, readonly offset: number }

/** Events of a client by name. */
export interface ClientEvents {
  /** A connection stands. */
  connect: { broker: number }
  /** A connection ended. `error` is left out where this client ended it. */
  disconnect: { broker: number, error?: BrokerError }
  /** The broker holds this client back for being over its quota. */
  throttle: { ms: number }
  /** A consumer may work on these partitions from now on. */
  assigned: { group: string, topic: string, partitions: number[] }
  /** A consumer has stopped work on these. `lost`: they were taken, so what was not committed comes again elsewhere. */
  revoked: { group: string, topic: string, partitions: number[], lost: boolean }
  /**
   * A consumer had to move: records between the two offsets are gone or were passed over. Where `to` is below `from`,
   * what was read from `to` on is lost, and others are in its place.
   */
  offsetReset: { topic: string, partition: number, from: number, to: number, reason: string }
  /** A lease of a queue's record is over, or the record was cancelled, before it was settled here. */
  leaseLost: { topic: string, partition: number, offset: number, error: BrokerError }
  /** The event loop stood still for so long that heartbeats are at risk. */
  blocked: { group: string, ms: number, sessionTimeoutMs: number, record: RecordPlace | null }
}

/** Listeners of one client. A listener that throws is logged and harms nobody. */
export class EventHub {
  private readonly listeners = new Map<keyof ClientEvents, Set<(event: never) => void>>()
  private readonly logger: Logger

  constructor (logger: Logger) {
    this.logger = logger
  }

  /** Adds a listener; the function returned takes it off again. */
  on<E extends keyof ClientEvents> (event: E, listener: (event: ClientEvents[E]) => void): () => void {
    let set = this.listeners.get(event)
    if (set === undefined) this.listeners.set(event, set = new Set())
    set.add(listener)
    return () => { set.delete(listener) }
  }

  emit<E extends keyof ClientEvents> (event: E, value: ClientEvents[E]): void {
    const set = this.listeners.get(event)
    if (set === undefined) return
    for (const listener of [...set]) {
      try {
        (listener as (event: ClientEvents[E]) => void)(value)
      } catch (error) {
        this.logger.error({ error, event }, 'an event listener threw; mend it')
      }
    }
  }
}
