// Brings the writes of a meta store into LMDB: in order, many to a commit, one commit at a time, off the event loop.
//
//            first write                     LMDB's thread                       done() of each write
//   idle ----------------> waiting for more -----------------> committing ------------------------------> idle
//                          (commitDelayMs;        ^               |    |
//                           none if durable)      |   map full:   |    |  any other error: failed for good
//                                                 +-- grow -------+    |
//                                                 +-- disk full: wait -+
//
// What was taken into a commit stays at the head of the queue until it is committed, so that it is repeated whole.

import fs from 'node:fs'
import type { BatchOperationArray, Dbi, Env } from 'node-lmdb'
import { MetaStoreFailedError } from './meta-store-errors.js'
import type { MetaWrite } from './meta-store.js'

export interface LmdbCommitterOptions {
  readonly directory: string
  readonly environment: Env
  readonly mapBytes: number
  readonly commitDelayMs: number
  readonly commitBytesMax: number
  readonly retryDelayMs: number
  readonly failCommit: () => string | null
  /** The database of a table, made if need be; may throw LMDB's errors. Called while no commit is under way. */
  readonly databaseOf: (table: string) => Dbi
  /** All writes numbered up to and including `sequence` are committed. */
  readonly onCommitted: (sequence: number) => void
  /** The map is about to move: every transaction must end. */
  readonly onResize: () => void
}

type Done = (error: Error | null) => void

interface PendingWrite {
  readonly changes: readonly MetaWrite[]
  readonly sizeBytes: number
  readonly sequence: number
  readonly durable: boolean
  readonly done: Done | undefined
}

/** What an entry takes beside its key and value, roughly. */
const ENTRY_BYTES = 32
const RETRY_FACTOR_MAX = 16
/** With less than this free, EIO is taken for a full disk: LMDB reports a short write so. */
const FREE_BYTES_MIN = 1024 * 1024
const SPACE_ERROR = /No space left on device|Disk quota exceeded|Read-only file system|File too large/
// env.sync is missing from node-lmdb's types.
type SyncingEnv = Env & { sync (done: (error: Error | null) => void): void }

export class LmdbCommitter {
  private readonly options: LmdbCommitterOptions
  private readonly environment: SyncingEnv
  private mapBytes: number
  private queue: PendingWrite[] = []
  private sequence = 0
  private queuedBytes = 0
  /** Writes at the head of the queue that the commit under way takes. */
  private takenCount = 0
  private committing = false
  private delay: NodeJS.Timeout | null = null
  private soon: NodeJS.Immediate | null = null
  private blockedBy: string | null = null
  private retryCount = 0
  private failure: MetaStoreFailedError | null = null
  private closing = false

  constructor (options: LmdbCommitterOptions) {
    this.options = options
    this.environment = options.environment as SyncingEnv
    this.mapBytes = options.mapBytes
  }

  get pendingBytes (): number {
    return this.queuedBytes
  }

  get trouble (): string | null {
    return this.failure?.message ?? this.blockedBy
  }

  /** Takes the changes over. Returns the write's number, or null where the store has failed: `done` then says so. */
  enqueue (changes: readonly MetaWrite[], durable: boolean, done?: Done): number | null {
    if (this.failure !== null) {
      if (done !== undefined) setImmediate(done, this.failure)
      return null
    }
    let sizeBytes = 0
    for (const { key, value } of changes) sizeBytes += ENTRY_BYTES + key.length + (value?.length ?? 0)
    const sequence = ++this.sequence
    this.queue.push({ changes, sizeBytes, sequence, durable, done })
    this.queuedBytes += sizeBytes
    if (this.blockedBy === null) this.schedule(durable || this.queuedBytes >= this.options.commitBytesMax)
    return sequence
  }

  flush (): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue([], true, error => error === null ? resolve() : reject(error))
    })
  }

  /** From now on a full disk is a failure, since nobody will wait for space; what waits is tried once more. */
  stopWaiting (): void {
    this.closing = true
    if (this.blockedBy !== null) this.retryNow()
  }

  private schedule (soon: boolean): void {
    if (this.committing || this.soon !== null) return
    if (soon || this.options.commitDelayMs === 0) {
      if (this.delay !== null) clearTimeout(this.delay)
      this.delay = null
      this.soon = setImmediate(() => {
        this.soon = null
        this.commit()
      })
    } else {
      this.delay ??= setTimeout(() => {
        this.delay = null
        this.commit()
      }, this.options.commitDelayMs)
    }
  }

  private commit (): void {
    this.committing = true
    if (this.takenCount === 0) this.takenCount = this.countToTake()
    let operations: BatchOperationArray[]
    try {
      const injected = this.options.failCommit()
      if (injected !== null) throw new Error(injected)
      operations = this.operations()
    } catch (error) {
      // Making a table is a commit of its own, with the same errors.
      setImmediate(() => this.onError(error as Error))
      return
    }
    if (operations.length === 0) return this.onWritten()
    this.environment.batchWrite(operations, { keyIsBuffer: true }, (error: Error | null) => {
      if (error) this.onError(error)
      else this.onWritten()
    })
  }

  private countToTake (): number {
    let bytes = 0
    let count = 0
    while (count < this.queue.length && (count === 0 || bytes < this.options.commitBytesMax)) {
      bytes += this.queue[count++]!.sizeBytes
    }
    return count
  }

  private operations (): BatchOperationArray[] {
    const operations: BatchOperationArray[] = []
    for (let i = 0; i < this.takenCount; i++) {
      for (const { table, key, value } of this.queue[i]!.changes) {
        const database = this.options.databaseOf(table)
        operations.push(value === null ? [database, key] : [database, key, value])
      }
    }
    return operations
  }

  private onWritten (): void {
    let durable = false
    for (let i = 0; i < this.takenCount; i++) durable ||= this.queue[i]!.durable
    if (!durable) return this.onCommitted()
    this.environment.sync((error) => {
      // What a failed sync has left on the disk is unknown, and a second one may succeed without having done anything.
      if (error) this.fail(error.message)
      else this.onCommitted()
    })
  }

  private onCommitted (): void {
    const committed = this.queue.splice(0, this.takenCount)
    this.takenCount = 0
    this.committing = false
    this.blockedBy = null
    this.retryCount = 0
    let durable = false
    for (const write of committed) this.queuedBytes -= write.sizeBytes
    for (const write of this.queue) durable ||= write.durable
    this.options.onCommitted(committed.at(-1)!.sequence)
    if (this.queue.length > 0) this.schedule(durable || this.queuedBytes >= this.options.commitBytesMax)
    for (const write of committed) write.done?.(null)
  }

  private onError (error: Error): void {
    if (error.message.includes('MDB_MAP_FULL')) return this.grow()
    if (!this.closing && this.isSpaceError(error.message)) return this.waitForSpace(error.message)
    this.fail(error.message)
  }

  private grow (): void {
    try {
      this.options.onResize()
      this.mapBytes *= 2
      this.environment.resize(this.mapBytes)
    } catch (error) {
      return this.fail(`the memory map cannot grow to ${this.mapBytes} bytes: ${(error as Error).message}`)
    }
    this.commit()
  }

  private isSpaceError (message: string): boolean {
    if (SPACE_ERROR.test(message)) return true
    if (!message.includes('Input/output error')) return false
    try {
      const { bavail, bsize } = fs.statfsSync(this.options.directory)
      return bavail * bsize < FREE_BYTES_MIN
    } catch {
      return false
    }
  }

  private waitForSpace (message: string): void {
    this.blockedBy = `The meta store in ${this.options.directory} waits to commit: ${message}.`
    const factor = Math.min(2 ** this.retryCount++, RETRY_FACTOR_MAX)
    this.delay = setTimeout(() => this.retryNow(), this.options.retryDelayMs * factor)
  }

  private retryNow (): void {
    if (this.delay === null) return
    clearTimeout(this.delay)
    this.delay = null
    this.commit()
  }

  private fail (reason: string): void {
    const failure = new MetaStoreFailedError(this.options.directory, reason)
    this.failure = failure
    this.committing = false
    this.blockedBy = null
    const writes = this.queue
    this.queue = []
    this.takenCount = 0
    for (const write of writes) write.done?.(failure)
  }
}
