// The control store of a single broker: a table of its meta store.
//
//   table `control`:  key → JSON { value, revision, lease? }     table `control-revision`:  'revision' → decimal
//
// One process owns it, so a transaction is a synchronous read, a check and an atomic write; nothing is missed by a
// watch, and a lease lasts as long as the process: what hung on those of an earlier one is removed at the start.

import {
  checkCommit, ControlStoreError, type ControlChange, type ControlCompare, type ControlEntry, type ControlLease,
  type ControlStore,
} from './control-store.js'
import type { MetaStore, MetaWrite } from '@sluice/storage'

const TABLE = 'control'
const REVISION_TABLE = 'control-revision'
export const CONTROL_META_TABLES = [TABLE, REVISION_TABLE]

const REVISION_KEY = Buffer.from('revision')

/** What a key of the table holds. */
interface StoredEntry { value: unknown, revision: number, lease?: string }

export class LmdbControlStore implements ControlStore {
  private readonly meta: MetaStore
  /** The keys of each lease that is open. */
  private readonly leases = new Map<string, Set<string>>()
  private readonly watchers = new Set<{ prefix: string, onChange: (entry: ControlEntry) => void }>()
  private revision: number

  private leaseCount = 0
  private closed = false

  constructor (meta: MetaStore) {
    this.meta = meta
    this.revision = Number(meta.get(REVISION_TABLE, REVISION_KEY)?.toString() ?? 0)
    const orphans = meta.range(TABLE).filter(({ value }) => decode(value).lease !== undefined)
    if (orphans.length > 0) this.write(orphans.map(({ key }) => ({ key: key.toString(), value: null }))).catch(() => {})
  }

  async get (key: string): Promise<ControlEntry | null> {
    this.checkOpen()
    return this.read(key)
  }

  async list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    this.checkOpen()
    const from = Buffer.from(prefix)
    // No key has the byte 0xff: they are UTF-8.
    const to = Buffer.concat([from, Buffer.from([0xff])])
    const entries = this.meta.range(TABLE, { from, to }).map(({ key, value }) => entryOf(key.toString(), decode(value)))
    return { entries, revision: this.revision }
  }

  async commit (changes: readonly ControlChange[], compares: readonly ControlCompare[] = []): Promise<number | null> {
    this.checkOpen()
    checkCommit(changes, compares)
    for (const { lease } of changes) {
      if (lease !== undefined && !this.leases.has(lease)) {
        throw new ControlStoreError('leaseLost', `there is no lease ${lease}`)
      }
    }
    for (const { key, revision } of compares) {
      if ((this.read(key)?.revision ?? 0) !== revision) return null
    }
    return await this.write(changes)
  }

  watch (prefix: string, onChange: (entry: ControlEntry) => void): () => void {
    const watcher = { prefix, onChange }
    this.watchers.add(watcher)
    return () => { this.watchers.delete(watcher) }
  }

  async openLease (): Promise<ControlLease> {
    this.checkOpen()
    const id = String(++this.leaseCount)
    this.leases.set(id, new Set())
    return {
      id,
      valid: () => this.leases.has(id),
      close: () => this.endLease(id),
    }
  }

  async close (): Promise<void> {
    this.closed = true
    this.watchers.clear()
    this.leases.clear()
  }

  private checkOpen (): void {
    if (this.closed) throw new ControlStoreError('closed', 'the control store is closed')
  }

  private read (key: string): ControlEntry | null {
    const value = this.meta.get(TABLE, Buffer.from(key))
    return value === null ? null : entryOf(key, decode(value))
  }

  /** Makes changes, visible at once; resolves with their revision when they are durable. */
  private write (changes: readonly ControlChange[]): Promise<number> {
    const revision = ++this.revision
    const writes = changes.map((change): MetaWrite => ({
      table: TABLE, key: Buffer.from(change.key), value: encode(change, revision),
    }))
    writes.push({ table: REVISION_TABLE, key: REVISION_KEY, value: Buffer.from(String(revision)) })
    for (const { key, lease } of changes) {
      for (const [id, keys] of this.leases) {
        if (id === lease) keys.add(key)
        else keys.delete(key)
      }
    }
    return new Promise((resolve, reject) => {
      this.meta.write(writes, {
        durable: true,
        done: error => {
          if (error !== null) {
            return reject(new ControlStoreError('ambiguous', `the meta store failed: ${error.message}`, { cause: error }))
          }
          for (const { key, value } of changes) this.tell({ key, value, revision })
          resolve(revision)
        },
      })
    })
  }

  private async endLease (id: string): Promise<void> {
    const keys = this.leases.get(id)
    this.leases.delete(id)
    // Where the meta store fails the keys go at the next start.
    if (keys === undefined || keys.size === 0) return
    await this.write([...keys].map(key => ({ key, value: null }))).catch(() => {})
  }

  private tell (entry: ControlEntry): void {
    for (const { prefix, onChange } of this.watchers) if (entry.key.startsWith(prefix)) onChange(entry)
  }
}

function encode ({ value, lease }: ControlChange, revision: number): Buffer | null {
  if (value === null) return null
  const stored: StoredEntry = lease === undefined ? { value, revision } : { value, revision, lease }
  return Buffer.from(JSON.stringify(stored))
}

function decode (bytes: Buffer): StoredEntry {
  return JSON.parse(bytes.toString()) as StoredEntry
}

function entryOf (key: string, { value, revision }: StoredEntry): ControlEntry {
  return { key, value, revision }
}
