// All logs of one data folder: opens, deletes and closes them, and holds what they share.
//
//   DIRECTORY/logs/clean                                       there after a clean stop, with the mark of that stop
//   DIRECTORY/logs/<topicId>/<partition>/<kind>/<base>.log
//
// - After a clean stop a log is opened from one pass over the meta store: no file is touched. The same random mark in
//   the file `clean` and in the meta store says that the two belong together; without it every log is recovered.
// - An empty log has neither file nor entry.

import { randomBytes } from 'node:crypto'
import { CommitTurn } from './commit-turn.js'
import { type Disk, DiskError } from './disk.js'
import { FileCache } from './file-cache.js'
import { readFile, syncFile, writeFile } from './file-io.js'
import { assertLogId, logDirectory, logName, parseLogPath } from './log-key.js'
import { loadStoredLogs, LogMeta, META_TABLE, sealValue, type StoredLog, unknownLog, valueSound } from './log-meta.js'
import {
  type Delay, LOG_STORE_LIMITS_DEFAULT, type LogClock, type LogConfig, type LogEvent, type LogId, type LogStoreLimits,
} from './log-types.js'
import type { MetaStore } from './meta-store.js'
import { PartitionLog } from './partition-log.js'
import { contentsOf, recoverLog } from './recovery.js'
import type { StoreContext } from './store-context.js'
import { ReadMemory } from './read-memory.js'
import { TailCache } from './tail-cache.js'

export interface LogStoreOptions {
  /** The data folder, absolute. */
  directory: string
  disk: Disk
  meta: MetaStore
  clock: LogClock
  /** Runs something at the end of this turn of the event loop: setImmediate. */
  endOfTurn: (run: () => void) => void
  /** Runs something later. Default: a timer that does not keep the process alive. */
  after?: Delay
  limits?: Partial<LogStoreLimits>
  /** False where the folder knows of an unclean stop: every log is recovered. */
  cleanStart: boolean
  report: (event: LogEvent) => void
}

const MARK_KEY = Buffer.from('clean')
const MARK_BYTES = 16
const EMPTY_END = { offset: 0, segmentBase: 0, position: 0, crc: 0, epoch: 0 }

export class LogStore {
  private readonly context: StoreContext
  private readonly logs = new Map<string, Promise<PartitionLog>>()
  /** What the meta store says of the logs that are not open yet. */
  private readonly stored: Map<string, StoredLog>
  private readonly startedClean: boolean
  private closing: Promise<void> | null = null

  private constructor (context: StoreContext, stored: Map<string, StoredLog>, cleanStart: boolean) {
    this.context = context
    this.stored = stored
    this.startedClean = cleanStart
  }

  static async open (options: LogStoreOptions): Promise<LogStore> {
    const limits = { ...LOG_STORE_LIMITS_DEFAULT, ...options.limits }
    const { disk, meta, clock, endOfTurn, report } = options
    const context: StoreContext = {
      logsDirectory: `${options.directory}/logs`,
      disk,
      meta,
      files: new FileCache(disk, limits.openFiles),
      tail: new TailCache(limits.tailCacheBytes),
      readMemory: new ReadMemory(),
      clock,
      limits,
      turn: new CommitTurn(endOfTurn),
      endOfTurn,
      after: options.after ?? afterByTimer,
      report,
    }
    await disk.makeDirectory(context.logsDirectory)
    await disk.syncDirectory(options.directory)
    const marked = await takeCleanMark(context)
    return new LogStore(context, loadStoredLogs(meta), options.cleanStart && marked)
  }

  /** True where the last stop was clean, so that no log is scanned. */
  get cleanStart (): boolean {
    return this.startedClean
  }

  /** Opens a log, or makes an empty one. The same log while it is open. */
  openLog (id: LogId, config: LogConfig): Promise<PartitionLog> {
    assertLogId(id)
    if (this.closing !== null) return Promise.reject(new Error('the log store is closed'))
    const name = logName(id)
    let log = this.logs.get(name)
    if (log === undefined) {
      log = this.openNow(id, name, config)
      this.logs.set(name, log)
      log.catch(() => this.logs.delete(name))
    }
    return log
  }

  private async openNow (id: LogId, name: string, config: LogConfig): Promise<PartitionLog> {
    const context = this.context
    const stored = this.stored.get(name) ?? unknownLog(id)
    const known = this.startedClean ? contentsOf(stored) : null
    const isEmpty = this.startedClean && !stored.suspect && stored.state === null && stored.segments.length === 0
    const contents = known ?? (isEmpty
      ? { segments: [], logStartOffset: 0, epochs: [], damaged: [], end: EMPTY_END }
      : await recoverLog(context, id, config, stored))
    this.stored.delete(name)
    return new PartitionLog(context, id, config, contents)
  }

  /** Removes a log for good: its files, then what is known of it. */
  async deleteLog (id: LogId): Promise<void> {
    assertLogId(id)
    const name = logName(id)
    const log = await this.logs.get(name)
    if (log !== undefined) await log.discard()
    this.logs.delete(name)
    this.stored.delete(name)
    const { disk, logsDirectory, files } = this.context
    const directory = logDirectory(logsDirectory, id)
    for (const file of await disk.list(directory)) files.forget(`${directory}/${file}`)
    await disk.removeDirectory(directory)
    await this.removeEmptyParent(directory)
    const meta = new LogMeta(this.context.meta, id, () => {})
    await meta.dropAll()
  }

  /**
   * Removes the directory of a partition whose last log is gone. That of the topic is left to who made the topic: it
   * may hold thousands of names, and looking at them once for each partition would take the longer the more there are.
   */
  private async removeEmptyParent (directory: string): Promise<void> {
    const { disk } = this.context
    const partition = directory.slice(0, directory.lastIndexOf('/'))
    const topic = partition.slice(0, partition.lastIndexOf('/'))
    if ((await disk.list(partition)).length > 0) return await disk.syncDirectory(partition)
    await disk.removeDirectory(partition)
    if (await disk.stat(topic) !== null) await disk.syncDirectory(topic)
  }

  /** Every log that has ever held a batch. */
  async listLogs (): Promise<LogId[]> {
    const found = new Map<string, LogId>()
    for (const [name, stored] of this.stored) found.set(name, stored.id)
    for (const opening of this.logs.values()) {
      const log = await opening
      if (log.segmentCount > 0) found.set(logName(log.id), log.id)
    }
    if (!this.startedClean) for (const id of await this.listDirectories()) found.set(logName(id), id)
    return [...found.values()]
  }

  private async listDirectories (): Promise<LogId[]> {
    const { disk, logsDirectory } = this.context
    const ids: LogId[] = []
    for (const topicId of await disk.list(logsDirectory)) {
      for (const partition of await disk.list(`${logsDirectory}/${topicId}`).catch(ignoreFile)) {
        for (const kind of await disk.list(`${logsDirectory}/${topicId}/${partition}`).catch(ignoreFile)) {
          const id = parseLogPath(topicId, partition, kind)
          if (id !== null) ids.push(id)
        }
      }
    }
    return ids
  }

  /** Writes and syncs everything, notes where each log ends, and closes all files. */
  close (): Promise<void> {
    this.closing ??= this.shut()
    return this.closing
  }

  private async shut (): Promise<void> {
    const logs = await Promise.all([...this.logs.values()])
    await Promise.all(logs.map(log => log.close()))
    await this.context.files.close()
    this.context.tail.clear()
    const sound = logs.every(log => log.state === 'online')
    // Logs that were never opened after an unclean stop have still to be recovered.
    if (sound && (this.startedClean || this.stored.size === 0)) await this.putCleanMark()
    await this.context.meta.flush()
  }

  private async putCleanMark (): Promise<void> {
    const { disk, meta, logsDirectory } = this.context
    const mark = randomBytes(MARK_BYTES)
    const value = sealValue(MARK_KEY, Buffer.concat([mark, Buffer.alloc(4)]))
    await new Promise<void>((resolve, reject) => {
      meta.write([{ table: META_TABLE.store, key: MARK_KEY, value }], {
        durable: true, done: error => error === null ? resolve() : reject(error),
      })
    })
    const file = await disk.open(`${logsDirectory}/clean`, { create: 'ifMissing' })
    try {
      await writeFile(file, mark, 0)
      await syncFile(file)
    } finally {
      await file.close()
    }
    await disk.syncDirectory(logsDirectory)
  }
}

/** True where the mark of a clean stop is there, the same in both places; it is gone from the disk afterwards. */
async function takeCleanMark (context: StoreContext): Promise<boolean> {
  const { disk, meta, logsDirectory } = context
  const path = `${logsDirectory}/clean`
  if (await disk.stat(path) === null) return false
  const file = await disk.open(path, { create: 'never', readOnly: true })
  let mark
  try {
    mark = await readFile(file, 0, MARK_BYTES)
  } finally {
    await file.close()
  }
  await disk.remove(path)
  await disk.syncDirectory(logsDirectory)
  const value = meta.get(META_TABLE.store, MARK_KEY)
  return value !== null && valueSound(MARK_KEY, value, MARK_BYTES) && value.subarray(0, MARK_BYTES).equals(mark)
}

function afterByTimer (delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs)
  timer.unref()
  return () => clearTimeout(timer)
}

function ignoreFile (error: unknown): string[] {
  if (error instanceof DiskError && error.code === 'ENOTDIR') return []
  throw error
}
