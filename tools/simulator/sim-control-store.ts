// A linearizable control store, on a network of its own: requests and answers take time and get lost, so that a client
// may never learn whether its change was made; watches come late or not at all.

import type { ControlChange, ControlCompare, ControlEntry, ControlStore } from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventQueue } from './event-queue.js'
import type { SwarmOptions } from './swarm-options.js'

const TIMEOUT_MS = 600

interface Watcher { readonly prefix: string, readonly onChange: (entry: ControlEntry) => void }

export class SimControlStore implements ControlStore {
  /** While set nothing is answered. */
  isDown = false
  /** While set nothing gets lost. */
  isCalm = false
  private readonly queue: EventQueue
  private readonly random: SeededRandom
  private readonly options: SwarmOptions['control']
  private readonly entries = new Map<string, ControlEntry>()
  private readonly watchers = new Set<Watcher>()
  private revision = 0

  constructor (queue: EventQueue, random: SeededRandom, options: SwarmOptions['control']) {
    this.queue = queue
    this.random = random
    this.options = options
  }

  get (key: string): Promise<ControlEntry | null> {
    return this.call(() => this.entries.get(key) ?? null)
  }

  list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    return this.call(() => ({
      entries: [...this.entries.values()].filter(({ key }) => key.startsWith(prefix)), revision: this.revision,
    }))
  }

  commit (changes: readonly ControlChange[], compares: readonly ControlCompare[] = []): Promise<number | null> {
    return this.call(() => this.apply(changes, compares))
  }

  watch (prefix: string, onChange: (entry: ControlEntry) => void): () => void {
    const watcher = { prefix, onChange }
    this.watchers.add(watcher)
    return () => { this.watchers.delete(watcher) }
  }

  async close (): Promise<void> {
    this.watchers.clear()
  }

  /** What it holds now, for checkers: nobody in the cluster sees it like that. */
  peek (key: string): unknown {
    return this.entries.get(key)?.value ?? null
  }

  private apply (changes: readonly ControlChange[], compares: readonly ControlCompare[]): number | null {
    for (const { key, revision } of compares) if ((this.entries.get(key)?.revision ?? 0) !== revision) return null
    const revision = ++this.revision
    for (const { key, value } of changes) {
      if (value === null) this.entries.delete(key)
      else this.entries.set(key, { key, value, revision })
      this.tell({ key, value, revision })
    }
    return revision
  }

  private tell (entry: ControlEntry): void {
    for (const watcher of this.watchers) {
      if (!entry.key.startsWith(watcher.prefix)) continue
      if (!this.isCalm && this.random.chance(this.options.watchLossShare)) continue
      this.queue.after(this.delayMs() + this.random.next() * this.options.watchDelayMs, () => {
        if (!this.isDown && this.watchers.has(watcher)) watcher.onChange(entry)
      })
    }
  }

  private delayMs (): number {
    return this.options.delayMs * (0.5 + this.random.next())
  }

  private call<Result> (perform: () => Result): Promise<Result> {
    const { promise, resolve, reject } = withResolvers<Result>()
    const isLost = (): boolean => this.isDown || (!this.isCalm && this.random.chance(this.options.ambiguousShare / 2))
    const giveUp = (): void => { this.queue.after(TIMEOUT_MS, () => reject(new Error('the control store did not answer'))) }
    this.queue.after(this.delayMs(), () => {
      if (isLost()) return giveUp()
      const result = perform()
      if (isLost()) return giveUp()
      this.queue.after(this.delayMs(), () => resolve(result))
    })
    return promise
  }
}

function withResolvers<Result> (): {
  promise: Promise<Result>, resolve: (result: Result) => void, reject: (error: Error) => void
} {
  let resolve!: (result: Result) => void
  let reject!: (error: Error) => void
  const promise = new Promise<Result>((_resolve, _reject) => {
    resolve = _resolve
    reject = _reject
  })
  return { promise, resolve, reject }
}
