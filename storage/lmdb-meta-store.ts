// The MetaStore of a data folder on LMDB: one environment in a directory of its own, one LMDB database for each table.
//
//   write() --> overlay (visible) + queue --> one commit at a time, off the event loop --> overlay entry dropped
//                                              writes in order, many to a commit            done()
//
// What a commit guarantees. The environment is opened with noMetaSync: a commit writes its pages, syncs them
// (fdatasync) and then writes the page that makes them current, unsynced. Because a commit never touches the pages of
// the two commits before it, a power cut leaves the last commit or the one before, whole: the file needs no repair.
// `durable` adds one sync, which covers that last page. (noSync would save the other sync and is not used: without
// it the order in which pages reach the disk is open, and a power cut can break trees that were durable before.)
//
// - Reads take a snapshot for each call and let go of it: none keeps old pages from being used again.
// - The map grows by doubling when a commit finds it full; the commit is then repeated.
// - Disk full: the writes stay queued and visible, the commit is repeated with back-off, `done` waits.
// - Any other error of a commit is final: a failed sync leaves unknown what the disk holds. Later writes fail with the
//   cause, reads go on.
// - One process, one store to a directory: guarded by the lock of the data folder.

import fs from 'node:fs'
import path from 'node:path'
import type { Cursor, Dbi, Env, Txn } from 'node-lmdb'
import { DiskError } from './disk.js'
import { LmdbCommitter } from './lmdb-committer.js'
import { checkLmdbFile } from './lmdb-file-check.js'
import { loadLmdb, type Lmdb } from './lmdb.js'
import { MetaOverlay } from './meta-overlay.js'
import { MetaStoreCorruptError } from './meta-store-errors.js'
import { ownedChanges, type MetaEntry, type MetaRange, type MetaStore, type MetaWrite } from './meta-store.js'

export interface LmdbMetaStoreOptions {
  /** Tables to make when the store is opened. Others are made on their first write, which stops the loop for a sync. */
  tables?: readonly string[]
  /** Tables the store may have. Default: 128. */
  tableCountMax?: number
  /** Size of the memory map to start with, in bytes. It takes address space, not memory. Default: 64 MiB. */
  mapBytes?: number
  /** How long writes wait for others to share their commit, unless one is durable, in milliseconds. Default: 50. */
  commitDelayMs?: number
  /** Bytes of keys and values to a commit; a single write may be larger. Default: 4 MiB. */
  commitBytesMax?: number
  /** Pause before the first repetition of a commit that found the disk full, in milliseconds. Default: 250. */
  retryDelayMs?: number
  /** Called before each commit: a message it returns is taken for LMDB's error. For tests. */
  failCommit?: () => string | null
}

const MAP_BYTES = 64 * 1024 * 1024
const TABLE_COUNT_MAX = 128
const DELETE_BATCH_COUNT = 1000

/** Real paths of the stores open in this process: node-lmdb would let a second one share, and end, the first. */
const openHere = new Set<string>()

export class LmdbMetaStore implements MetaStore {
  private readonly directory: string
  private readonly lmdb: Lmdb
  private readonly environment: Env
  private readonly committer: LmdbCommitter
  private readonly tables = new Map<string, Dbi>()
  private readonly overlays = new Map<string, MetaOverlay>()
  private reader: Txn | null = null
  private closing: Promise<void> | null = null

  private constructor (
    directory: string, lmdb: Lmdb, environment: Env, mapBytes: number, options: LmdbMetaStoreOptions
  ) {
    this.directory = directory
    this.lmdb = lmdb
    this.environment = environment
    this.committer = new LmdbCommitter({
      directory,
      environment,
      mapBytes,
      commitDelayMs: options.commitDelayMs ?? 50,
      commitBytesMax: options.commitBytesMax ?? 4 * 1024 * 1024,
      retryDelayMs: options.retryDelayMs ?? 250,
      failCommit: options.failCommit ?? (() => null),
      databaseOf: table => this.tables.get(table) ?? this.makeTable(table),
      onCommitted: sequence => { for (const overlay of this.overlays.values()) overlay.dropUpTo(sequence) },
      onResize: () => this.endReader(),
    })
  }

  /**
   * Opens the store in `directory`, which is made where it is missing.
   *
   * Throws MetaStoreCorruptError where the files are damaged or not LMDB's; the caller deletes the directory and
   * rebuilds what it held. What the check before opening covers, and what not, is said in lmdb-file-check.ts.
   * Throws DiskError, and LmdbMissingError.
   */
  static async open (directory: string, options: LmdbMetaStoreOptions = {}): Promise<LmdbMetaStore> {
    const lmdb = loadLmdb()
    try {
      fs.mkdirSync(directory, { recursive: true, mode: 0o750 })
      directory = fs.realpathSync(directory)
    } catch (error) {
      throw DiskError.from(error, 'open', directory)
    }
    if (openHere.has(directory)) throw new Error(`The meta store in ${directory} is open in this process already.`)
    openHere.add(directory)
    try {
      return await LmdbMetaStore.openEnvironment(lmdb, directory, options)
    } catch (error) {
      openHere.delete(directory)
      throw error
    }
  }

  private static async openEnvironment (
    lmdb: Lmdb, directory: string, options: LmdbMetaStoreOptions,
  ): Promise<LmdbMetaStore> {
    const filePath = path.join(directory, 'data.mdb')
    let fileBytes = 0
    try {
      fileBytes = fs.statSync(filePath, { throwIfNoEntry: false })?.size ?? 0
      await checkLmdbFile(filePath)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== undefined) throw DiskError.from(error, 'open', filePath)
      throw new MetaStoreCorruptError(directory, error)
    }
    let mapBytes = options.mapBytes ?? MAP_BYTES
    while (mapBytes < fileBytes * 1.25) mapBytes *= 2
    const environment = new lmdb.Env()
    try {
      environment.open({
        path: directory,
        mapSize: mapBytes,
        maxDbs: options.tableCountMax ?? TABLE_COUNT_MAX,
        noMetaSync: true,
        noReadAhead: true,
      })
    } catch (error) {
      throw lmdbError(error, directory)
    }
    try {
      const store = new LmdbMetaStore(directory, lmdb, environment, mapBytes, options)
      store.openTables(options.tables ?? [])
      syncDirectory(directory)
      syncDirectory(path.dirname(directory))
      return store
    } catch (error) {
      environment.close()
      throw lmdbError(error, directory)
    }
  }

  /** Bytes of keys and values written and not committed yet: they pile up while the disk is full. */
  get pendingBytes (): number {
    return this.committer.pendingBytes
  }

  /** What keeps commits from succeeding, in words; null while they do. A full disk passes, a failure stays. */
  get trouble (): string | null {
    return this.committer.trouble
  }

  get (table: string, key: Buffer): Buffer | null {
    this.assertOpen()
    const written = this.overlays.get(table)?.get(key)
    if (written !== undefined) return written
    const database = this.tables.get(table)
    if (database === undefined) return null
    try {
      const reader = this.beginRead()
      try {
        return reader.getBinary(database, key)
      } finally {
        reader.reset()
      }
    } catch (error) {
      throw lmdbError(error, this.directory)
    }
  }

  range (table: string, range: MetaRange = {}): MetaEntry[] {
    this.assertOpen()
    const overlay = this.overlays.get(table) ?? NO_OVERLAY
    const database = this.tables.get(table)
    if (database === undefined) return overlay.merge(range, () => null)
    try {
      const reader = this.beginRead()
      const cursor = new this.lmdb.Cursor<Buffer>(reader, database, { keyIsBuffer: true })
      try {
        return overlay.merge(range, entriesOf(cursor, range))
      } finally {
        cursor.close()
        reader.reset()
      }
    } catch (error) {
      throw lmdbError(error, this.directory)
    }
  }

  write (
    changes: readonly MetaWrite[],
    options: { durable?: boolean, done?: (error: Error | null) => void } = {}
  ): void {
    this.assertOpen()
    const copies = ownedChanges(changes)
    const sequence = this.committer.enqueue(copies, options.durable === true, options.done)
    if (sequence === null) return
    for (const { table, key, value } of copies) this.overlayOf(table).set(key, value, sequence)
  }

  async deleteRange (table: string, range: MetaRange): Promise<void> {
    let left = range.limit ?? Infinity
    while (left > 0) {
      const entries = this.range(table, { ...range, limit: Math.min(left, DELETE_BATCH_COUNT) })
      if (entries.length === 0) return
      await new Promise<void>((resolve, reject) => {
        this.write(entries.map(({ key }) => ({ table, key, value: null })), {
          done: error => error === null ? resolve() : reject(error),
        })
      })
      left -= entries.length
      // What others write behind this point meanwhile stays, and cannot keep the deletion going for ever.
      const last = entries.at(-1)!.key
      range = range.reverse === true ? { ...range, to: last } : { ...range, from: keyAfter(last) }
    }
  }

  async flush (): Promise<void> {
    this.assertOpen()
    await this.committer.flush()
  }

  /** To be called when the end is near: a write that finds no space fails from now on, and waits for none. */
  stopWaiting (): void {
    this.committer.stopWaiting()
  }

  /**
   * Rejects where the last writes could not be made durable, also when the disk is full: it does not wait for space.
   * The store is closed in any case.
   */
  close (): Promise<void> {
    this.closing ??= this.shut()
    return this.closing
  }

  private async shut (): Promise<void> {
    try {
      this.committer.stopWaiting()
      await this.committer.flush()
    } finally {
      this.endReader()
      this.environment.close()
      openHere.delete(this.directory)
    }
  }

  private assertOpen (): void {
    if (this.closing !== null) throw new Error('The meta store is closed.')
  }

  private overlayOf (table: string): MetaOverlay {
    let overlay = this.overlays.get(table)
    if (overlay === undefined) this.overlays.set(table, overlay = new MetaOverlay())
    return overlay
  }

  /** Opens the tables the store has and makes those of `names` that it has not. */
  private openTables (names: readonly string[]): void {
    const main = this.environment.openDbi({ name: null, keyIsBuffer: true })
    const reader = this.environment.beginTxn({ readOnly: true })
    const cursor = new this.lmdb.Cursor<Buffer>(reader, main, { keyIsBuffer: true })
    const known: string[] = []
    for (let key = cursor.goToFirst(); key !== null; key = cursor.goToNext()) known.push(key.toString('utf8'))
    cursor.close()
    reader.abort()
    for (const name of known) this.tables.set(name, this.environment.openDbi({ name, keyIsBuffer: true }))
    for (const name of names) if (!this.tables.has(name)) this.makeTable(name)
  }

  /** Only while no commit is under way. */
  private makeTable (name: string): Dbi {
    const database = this.environment.openDbi({ name, create: true, keyIsBuffer: true })
    this.tables.set(name, database)
    return database
  }

  /** The caller resets it before it returns. */
  private beginRead (): Txn {
    if (this.reader === null) this.reader = this.environment.beginTxn({ readOnly: true })
    else this.reader.renew()
    return this.reader
  }

  private endReader (): void {
    this.reader?.abort()
    this.reader = null
  }
}

const NO_OVERLAY = new MetaOverlay()

/** Reads a range of LMDB's, entry by entry. */
function entriesOf (cursor: Cursor<Buffer>, range: MetaRange): () => MetaEntry | null {
  const { from, to, reverse = false } = range
  let started = false
  return () => {
    let key: Buffer | null
    if (started) {
      key = reverse ? cursor.goToPrev() : cursor.goToNext()
    } else if (reverse) {
      // goToRange stops at the first key not below `to`, which is just beyond the range; without one, all are below.
      const beyond = to === undefined || to.length === 0 ? null : cursor.goToRange(to)
      key = beyond === null ? cursor.goToLast() : cursor.goToPrev()
      if (to !== undefined && to.length === 0) key = null
    } else {
      key = from === undefined || from.length === 0 ? cursor.goToFirst() : cursor.goToRange(from)
    }
    started = true
    if (key === null) return null
    const outside = reverse
      ? from !== undefined && Buffer.compare(key, from) < 0
      : to !== undefined && Buffer.compare(key, to) >= 0
    return outside ? null : { key, value: cursor.getCurrentBinary()! }
  }
}

/** The smallest key above `key`. */
function keyAfter (key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)])
}

/** LMDB speaks in messages: those that mean damage become a MetaStoreCorruptError, the others stay as they are. */
function lmdbError (error: unknown, directory: string): unknown {
  const isDamage = /MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|VERSION_MISMATCH|INCOMPATIBLE|PANIC)/.test(String(error))
  return isDamage ? new MetaStoreCorruptError(directory, error) : error
}

function syncDirectory (directory: string): void {
  const descriptor = fs.openSync(directory, 'r')
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
