// A dedup store in memory, for tests and as the reference of what one must do.

import type { DedupId, DedupStore } from './queue-types.js'

export class MemoryDedupStore implements DedupStore {
  private readonly ids = new Map<string, { id: DedupId, offset: number, expiresMs: number }>()

  get size (): number { return this.ids.size }

  put (id: DedupId, offset: number, expiresMs: number): void { this.ids.set(id.join(), { id, offset, expiresMs }) }

  get (id: DedupId): { offset: number, expiresMs: number } | null { return this.ids.get(id.join()) ?? null }

  /** All that is held: what a checkpoint copies. */
  entries (): [DedupId, number, number][] {
    return [...this.ids.values()].map(({ id, offset, expiresMs }) => [id, offset, expiresMs])
  }

  remove (id: DedupId): void { this.ids.delete(id.join()) }

  drop (nowMs: number, floor: number): void {
    for (const [key, { offset, expiresMs }] of this.ids) {
      if (expiresMs <= nowMs || offset < floor) this.ids.delete(key)
    }
  }
}
