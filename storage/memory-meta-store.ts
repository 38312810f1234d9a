// A MetaStore in memory, for tests and the simulator.
//
// A table is one sorted array of entries: searches are binary, inserts shift the tail, which is fast enough for the
// sizes tests have. Commits are queued through an injected `schedule`, one at a time and in order, each making one or
// several writes lasting, as the real store does it:
//
//   write --> visible to reads at once --> pending --> committed --> durable
//                                        |  lost by kill()  | lost by powerCut() too

import { MetaTable } from './meta-table.js'
import { ownedChanges, type MetaEntry, type MetaRange, type MetaStore, type MetaWrite } from './meta-store.js'

interface PendingWrite {
  readonly changes: readonly MetaWrite[]
  readonly durable: boolean
  readonly done: ((error: Error | null) => void) | undefined
}

export interface MemoryMetaStoreOptions {
  /** Runs `commit` later, never before it has returned. Default: `setImmediate`. */
  schedule?: (commit: () => void) => void
  /** Writes to a commit at most. Default: 1,000. */
  writesPerCommitMax?: number
}

type Tables = Map<string, MetaTable>

export class MemoryMetaStore implements MetaStore {
  private readonly schedule: (commit: () => void) => void
  private readonly writesPerCommitMax: number
  private visible: Tables = new Map()
  private committed: Tables = new Map()
  private durable: Tables = new Map()
  private pending: PendingWrite[] = []
  private committedSinceDurable: PendingWrite[] = []
  private commitScheduled = false
  private life = 0
  private failure: Error | null = null
  private closed = false

  constructor (options: MemoryMetaStoreOptions = {}) {
    this.schedule = options.schedule ?? setImmediate
    this.writesPerCommitMax = options.writesPerCommitMax ?? 1000
  }

  get (table: string, key: Buffer): Buffer | null {
    this.assertOpen()
    return this.visible.get(table)?.get(key) ?? null
  }

  range (table: string, range: MetaRange = {}): MetaEntry[] {
    this.assertOpen()
    return this.visible.get(table)?.range(range) ?? []
  }

  write (
    changes: readonly MetaWrite[],
    options: { durable?: boolean, done?: (error: Error | null) => void } = {}
  ): void {
    this.assertOpen()
    const copies = ownedChanges(changes)
    apply(this.visible, copies)
    this.pending.push({ changes: copies, durable: options.durable === true, done: options.done })
    this.scheduleCommit()
  }

  async deleteRange (table: string, range: MetaRange): Promise<void> {
    const changes = this.range(table, range).map(({ key }) => ({ table, key, value: null }))
    await new Promise<void>((resolve, reject) => {
      this.write(changes, { done: error => error === null ? resolve() : reject(error) })
    })
  }

  flush (): Promise<void> {
    return new Promise((resolve, reject) => {
      this.write([], { durable: true, done: error => error === null ? resolve() : reject(error) })
    })
  }

  async close (): Promise<void> {
    if (this.closed) return
    await this.flush()
    this.closed = true
  }

  /** Makes every commit fail with `error` from now on, as a full disk does: writes wait. `null` mends it. */
  failCommits (error: Error | null): void {
    this.failure = error
    if (error === null && this.pending.length > 0) this.scheduleCommit()
  }

  /** Ends the process: writes not yet committed are gone, their `done` never runs. The store can be used again. */
  kill (): void {
    this.life++
    this.pending = []
    this.commitScheduled = false
    this.closed = false
    this.visible = copyOf(this.committed)
  }

  /** Cuts the power: what no durable commit has covered is gone as well. The store can be used again. */
  powerCut (): void {
    this.committed = copyOf(this.durable)
    this.committedSinceDurable = []
    this.kill()
  }

  /** Loses everything, as when the store's files were deleted. The store can be used again. */
  wipe (): void {
    this.durable = new Map()
    this.powerCut()
  }

  private scheduleCommit (): void {
    if (this.commitScheduled || this.failure !== null) return
    this.commitScheduled = true
    const life = this.life
    this.schedule(() => { if (life === this.life) this.commit() })
  }

  private commit (): void {
    this.commitScheduled = false
    if (this.failure !== null) return
    const batch = this.pending.splice(0, this.writesPerCommitMax)
    for (const write of batch) {
      apply(this.committed, write.changes)
      this.committedSinceDurable.push(write)
    }
    if (batch.some(write => write.durable)) {
      for (const write of this.committedSinceDurable) apply(this.durable, write.changes)
      this.committedSinceDurable = []
    }
    if (this.pending.length > 0) this.scheduleCommit()
    for (const write of batch) write.done?.(null)
  }

  private assertOpen (): void {
    if (this.closed) throw new Error('The meta store is closed.')
  }
}

function apply (tables: Tables, changes: readonly MetaWrite[]): void {
  for (const { table: name, key, value } of changes) {
    let table = tables.get(name)
    if (table === undefined) tables.set(name, table = new MetaTable())
    if (value === null) table.delete(key)
    else table.set(key, value)
  }
}

function copyOf (tables: Tables): Tables {
  const copy: Tables = new Map()
  for (const [name, table] of tables) copy.set(name, table.clone())
  return copy
}
