// The client: where everything begins.
//
//   connect() ─▶ Client ─┬─ topic(name, serdes) ─▶ producer · consumer · read
//                        ├─ queue(name, serdes) ─▶ send · receive · work
//                        └─ admin
//
// `connect` does no I/O; the first call that needs a broker does.

import { topicNameFault } from '@sluice/protocol'
import { Admin } from './admin.js'
import { BrokerError, closedError } from './broker-error.js'
import { resolveOptions, type ClientOptions, type Settings } from './client-options.js'
import { Cluster } from './connection/cluster.js'
import { Consumer } from './consumer/consumer.js'
import { Queue, type QueueOptions } from './queue/queue.js'
import { EventHub, type ClientEvents } from './events.js'
import { bytes, type Serde } from './serdes.js'
import { Topic, type Closable } from './topic.js'

/** Makes a client. Nothing is connected yet. @throws BrokerError INVALID naming the option that is wrong. */
export function connect (options: ClientOptions): Client {
  return new Client(options)
}

/** See the head of this file. */
export class Client implements AsyncDisposable {
  /** Administration of topics, groups and brokers. */
  readonly admin: Admin
  private readonly settings: Settings
  private readonly events: EventHub
  private readonly cluster: Cluster
  private readonly children = new Set<Closable>()
  private closing: Promise<void> | null = null

  constructor (options: ClientOptions) {
    this.settings = resolveOptions(options)
    this.events = new EventHub(this.settings.logger)
    this.cluster = new Cluster(this.settings, this.events)
    this.admin = new Admin(this.cluster)
    const { signal } = options
    if (signal !== undefined) {
      const abort = (): void => { this.close({ drainTimeoutMs: 0 }).catch(() => {}) }
      if (signal.aborted) abort()
      else {
        signal.addEventListener('abort', abort, { once: true })
        this.cluster.closing.addEventListener('abort', () => signal.removeEventListener('abort', abort))
      }
    }
  }

  /**
   * Resolves when a broker has been reached: a check at start-up. It is never needed before other calls.
   *
   * @throws BrokerError as a rejection: after requestTimeoutMs, or at once where trying again is of no use.
   */
  async ready (options: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.closing !== null) throw closedError('client')
    await this.cluster.request('metadata', { topics: [] }, { signal: options.signal })
  }

  /**
   * A topic, with serdes for its keys and values; bytes where they are left out.
   *
   * @throws BrokerError INVALID for a bad name.
   */
  topic<K = Uint8Array, V = Uint8Array> (
    name: string, serdes: { key?: Serde<K>, value?: Serde<V> } = {},
  ): Topic<K, V> {
    const fault = topicNameFault(name)
    if (fault !== null) throw new BrokerError('INVALID', fault)
    const key = serdes.key ?? bytes() as unknown as Serde<K>
    const value = serdes.value ?? bytes() as unknown as Serde<V>
    return new Topic(this.cluster, name, key, value, child => this.adopt(child))
  }

  /**
   * A queue, with serdes for its keys and values; bytes where they are left out. Make one and keep it: it holds what
   * sends, receives and settles.
   *
   * @throws BrokerError INVALID for a bad name.
   */
  queue<K = Uint8Array, V = Uint8Array> (
    name: string, serdes: { key?: Serde<K>, value?: Serde<V> } = {}, options: QueueOptions = {},
  ): Queue<K, V> {
    const fault = topicNameFault(name)
    if (fault !== null) throw new BrokerError('INVALID', fault)
    const key = serdes.key ?? bytes() as unknown as Serde<K>
    const value = serdes.value ?? bytes() as unknown as Serde<V>
    return new Queue(this.cluster, name, key, value, options, child => this.adopt(child))
  }

  /** Calls `listener` for each event of the kind; the function returned ends that. */
  on<E extends keyof ClientEvents> (event: E, listener: (event: ClientEvents[E]) => void): () => void {
    return this.events.on(event, listener)
  }

  /**
   * Closes what was made from this client, letting work in progress finish for at most `drainTimeoutMs`, then the
   * connections. Calling it again gives the same promise.
   *
   * @throws BrokerError as a rejection: the first failure of a `write` that was not told before.
   */
  close (options: { drainTimeoutMs?: number } = {}): Promise<void> {
    this.closing ??= this.shut(options.drainTimeoutMs ?? this.settings.drainTimeoutMs)
    return this.closing
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  private async shut (drainTimeoutMs: number): Promise<void> {
    // Consumers first: their handlers may need the producers to finish.
    const outcomes: PromiseSettledResult<void>[] = []
    const deadlineMs = performance.now() + drainTimeoutMs
    for (const isTurn of [isConsumer, () => true]) {
      const children = [...this.children].filter(isTurn)
      const leftMs = Math.max(0, deadlineMs - performance.now())
      outcomes.push(...await Promise.allSettled(children.map(child => child.close({ drainTimeoutMs: leftMs }))))
    }
    this.cluster.close()
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  private adopt (child: Closable): void {
    if (this.closing !== null) throw closedError('client')
    this.children.add(child)
    child.onClosed = () => { this.children.delete(child) }
  }
}

function isConsumer (child: Closable): boolean {
  return child instanceof Consumer || child instanceof Queue
}
