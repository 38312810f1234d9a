// The control store of a single broker: a table of its meta store.
//
//   table `control`:  key → JSON { value, revision }        table `control-revision`:  '' → revision, decimal
//
// One process owns it, so a transaction is a synchronous read, a check and an atomic write.

import type { MetaStore, MetaWrite } from '@sluice/storage'
import type { ControlChange, ControlCompare, ControlEntry, ControlStore } from './control-store.js'

const TABLE = 'control'
const REVISION_TABLE = 'control-revision'
export const CONTROL_META_TABLES = [TABLE, REVISION_TABLE]

const REVISION_KEY = Buffer.from('revision')

export class LmdbControlStore implements ControlStore {
  private readonly meta: MetaStore
  private readonly watchers = new Set<{ prefix: string, onChange: (entry: ControlEntry) => void }>()
  private revision: number

  constructor (meta: MetaStore) {
    this.meta = meta
    this.revision = Number(meta.get(REVISION_TABLE, REVISION_KEY)?.toString() ?? 0)
  }

  async get (key: string): Promise<ControlEntry | null> {
    return this.read(key)
  }

  async list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    const from = Buffer.from(prefix)
    // No key has the byte 0xff: they are UTF-8.
    const to = Buffer.concat([from, Buffer.from([0xff])])
    const entries = this.meta.range(TABLE, { from, to }).map(({ key, value }) => decode(key.toString(), value))
    return { entries, revision: this.revision }
  }

  commit (changes: readonly ControlChange[], compares: readonly ControlCompare[] = []): Promise<number | null> {
    for (const { key, revision } of compares) {
      if ((this.read(key)?.revision ?? 0) !== revision) return Promise.resolve(null)
    }
    const revision = ++this.revision
    const writes: MetaWrite[] = changes.map(({ key, value }) => ({
      table: TABLE,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(JSON.stringify({ value, revision })),
    }))
    writes.push({ table: REVISION_TABLE, key: REVISION_KEY, value: Buffer.from(String(revision)) })
    return new Promise((resolve, reject) => {
      this.meta.write(writes, {
        durable: true,
        done: error => {
          if (error !== null) return reject(error)
          for (const { key, value } of changes) this.tell({ key, value, revision })
          resolve(revision)
        },
      })
    })
  }

  watch (prefix: string, onChange: (entry: ControlEntry) => void): () => void {
    const watcher = { prefix, onChange }
    this.watchers.add(watcher)
    return () => { this.watchers.delete(watcher) }
  }

  async close (): Promise<void> {
    this.watchers.clear()
  }

  private read (key: string): ControlEntry | null {
    const value = this.meta.get(TABLE, Buffer.from(key))
    return value === null ? null : decode(key, value)
  }

  private tell (entry: ControlEntry): void {
    for (const { prefix, onChange } of this.watchers) if (entry.key.startsWith(prefix)) onChange(entry)
  }
}

function decode (key: string, bytes: Buffer): ControlEntry {
  const { value, revision } = JSON.parse(bytes.toString()) as { value: unknown, revision: number }
  return { key, value, revision }
}
