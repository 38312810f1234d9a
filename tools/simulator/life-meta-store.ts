// The meta store as one process sees it: what a dead process still asks for is neither done nor answered.

import type { MetaEntry, MetaRange, MetaStore, MetaWrite } from '@sluice/storage'

export class LifeMetaStore implements MetaStore {
  private readonly meta: MetaStore
  private readonly isAlive: () => boolean

  constructor (meta: MetaStore, isAlive: () => boolean) {
    this.meta = meta
    this.isAlive = isAlive
  }

  get (table: string, key: Buffer): Buffer | null {
    return this.isAlive() ? this.meta.get(table, key) : null
  }

  range (table: string, range?: MetaRange): MetaEntry[] {
    return this.isAlive() ? this.meta.range(table, range) : []
  }

  write (changes: readonly MetaWrite[], options?: { durable?: boolean, done?: (error: Error | null) => void }): void {
    if (this.isAlive()) this.meta.write(changes, options)
  }

  deleteRange (table: string, range: MetaRange): Promise<void> {
    return this.isAlive() ? this.meta.deleteRange(table, range) : new Promise(() => {})
  }

  flush (): Promise<void> {
    return this.isAlive() ? this.meta.flush() : new Promise(() => {})
  }

  async close (): Promise<void> {}
}
