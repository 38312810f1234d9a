// What one simulated process has of the control store: requests and answers take time and get lost, so that it may
// never learn whether its change was made; watches come late, out of order or not at all.

import {
  ControlStoreError, leaseEndMs, renewalIntervalMs, type ControlChange, type ControlCompare, type ControlEntry,
  type ControlFault, type ControlLease, type ControlStore,
} from '@sluice/broker/simulation'
import type { SimControlClient, SimControlServer, SimWatcher } from './sim-control-server.js'

const TIMEOUT_MS = 600
const LIST_AGAIN_MS = 30_000

export class SimControlStore implements ControlStore {
  private readonly server: SimControlServer
  private readonly client: SimControlClient
  private readonly watchers = new Set<SimWatcher>()
  private isClosed = false

  constructor (server: SimControlServer, client: SimControlClient) {
    this.server = server
    this.client = client
  }

  get (key: string): Promise<ControlEntry | null> {
    return this.call('unavailable', () => this.server.read(key))
  }

  list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    return this.call('unavailable', () => ({ entries: this.server.below(prefix), revision: this.server.revision }))
  }

  commit (changes: readonly ControlChange[], compares: readonly ControlCompare[] = []): Promise<number | null> {
    return this.call('ambiguous', () => this.server.commit(changes, compares))
  }

  watch (prefix: string, onChange: (entry: ControlEntry) => void, onListAgain?: () => void): () => void {
    const watcher = { prefix, onChange: (entry: ControlEntry) => this.client.run(() => onChange(entry)) }
    this.watchers.add(watcher)
    this.server.watchers.add(watcher)
    if (onListAgain !== undefined) this.listAgainLater(watcher, onListAgain)
    return () => {
      this.watchers.delete(watcher)
      this.server.watchers.delete(watcher)
    }
  }

  async openLease (ttlMs: number, onLost: () => void = () => {}): Promise<ControlLease> {
    const { queue } = this.server
    const sentMs = queue.nowMs
    const id = await this.call('unavailable', () => this.server.grantLease(ttlMs))
    const state = { isOpen: true, endMs: leaseEndMs(sentMs, ttlMs) }
    const renew = (): void => {
      if (this.isClosed || !state.isOpen) return
      queue.after(renewalIntervalMs(ttlMs), renew)
      if (!this.client.isRunning) return
      const renewedMs = queue.nowMs
      this.call('unavailable', () => this.server.renewLease(id)).then(isRenewed => {
        if (!state.isOpen) return
        if (isRenewed) {
          state.endMs = leaseEndMs(renewedMs, ttlMs)
        } else {
          state.isOpen = false
          onLost()
        }
      }, () => {})
    }
    queue.after(renewalIntervalMs(ttlMs), renew)
    return {
      id,
      valid: () => state.isOpen && queue.nowMs < state.endMs,
      close: async () => {
        if (!state.isOpen) return
        state.isOpen = false
        await this.call('unavailable', () => this.server.endLease(id)).catch(() => {})
      },
    }
  }

  /** Also what the end of its process does: nothing is renewed or answered any more. */
  async close (): Promise<void> {
    this.isClosed = true
    for (const watcher of this.watchers) this.server.watchers.delete(watcher)
    this.watchers.clear()
  }

  private listAgainLater (watcher: SimWatcher, onListAgain: () => void): void {
    this.server.queue.after(LIST_AGAIN_MS, () => {
      if (!this.watchers.has(watcher)) return
      this.client.run(onListAgain)
      this.listAgainLater(watcher, onListAgain)
    })
  }

  /** @param fault what a call that gets no answer is. */
  private call<Result> (fault: ControlFault, perform: () => Result): Promise<Result> {
    const { queue } = this.server
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new ControlStoreError('closed', 'the control store is closed'))
      const giveUp = (): void => {
        queue.after(TIMEOUT_MS, () => this.client.run(() => {
          reject(new ControlStoreError(fault, 'the control store did not answer'))
        }))
      }
      queue.after(this.server.delayMs(), () => {
        if (this.server.isLost()) return giveUp()
        const answer = outcomeOf(perform)
        if (this.server.isLost()) return giveUp()
        queue.after(this.server.delayMs(), () => this.client.run(() => {
          if (answer.error === null) resolve(answer.result)
          else reject(answer.error)
        }))
      })
    })
  }
}

function outcomeOf<Result> (perform: () => Result): { error: null, result: Result } | { error: Error } {
  try {
    return { error: null, result: perform() }
  } catch (error) {
    return { error: error as Error }
  }
}
