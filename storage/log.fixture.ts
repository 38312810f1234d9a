// What the tests of the log share: a store on a disk in memory with its own time, and batches to put into it.

import { readBatchHeader, RecordBatchBuilder, RecordReader } from '@sluice/protocol'
import type { LogStoreLimits, LogEvent, LogConfig, LogId, LogSlice } from './log-types.js'
import { LOG_CONFIG_DEFAULT } from './log-types.js'
import { LogStore } from './log-store.js'
import { MemoryDisk, type MemoryDiskOptions } from './memory-disk.js'
import { MemoryMetaStore } from './memory-meta-store.js'
import type { PartitionLog } from './partition-log.js'

export const LOG_ID: LogId = { topicId: 'orders', partition: 0, kind: 'data' }
export const LOG_DIRECTORY = '/data/logs/orders/0/data'

/** Small enough that a few batches make many of everything. */
export const SMALL: LogConfig = { ...LOG_CONFIG_DEFAULT, segmentBytes: 8192, indexIntervalBytes: 512 }

/** Time that stands still until told, and runs what is due when it moves. */
export class TestTime {
  nowMs = 1_700_000_000_000
  private waiting: Array<{ atMs: number, run: () => void }> = []

  readonly clock = { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs }

  readonly after = (delayMs: number, run: () => void): () => void => {
    const entry = { atMs: this.nowMs + delayMs, run }
    this.waiting.push(entry)
    return () => { this.waiting = this.waiting.filter(each => each !== entry) }
  }

  advance (byMs: number): void {
    this.nowMs += byMs
    const due = this.waiting.filter(({ atMs }) => atMs <= this.nowMs)
    this.waiting = this.waiting.filter(({ atMs }) => atMs > this.nowMs)
    for (const { run } of due) run()
  }
}

/** A machine: disk, meta store and time outlive the store, which is opened again after each stop. */
export class TestMachine {
  readonly disk: MemoryDisk
  readonly meta = new MemoryMetaStore()
  readonly time = new TestTime()
  readonly limits: Partial<LogStoreLimits>
  events: LogEvent[] = []
  store!: LogStore

  constructor (limits: Partial<LogStoreLimits> = {}, diskOptions: MemoryDiskOptions = {}) {
    this.limits = limits
    this.disk = new MemoryDisk({ now: () => this.time.nowMs, ...diskOptions })
  }

  async start (cleanStart = true): Promise<LogStore> {
    this.events = []
    await this.disk.makeDirectory('/data')
    await this.disk.syncDirectory('/')
    this.store = await LogStore.open({
      directory: '/data',
      disk: this.disk.attach(),
      meta: this.meta,
      clock: this.time.clock,
      after: this.time.after,
      endOfTurn: setImmediate,
      limits: this.limits,
      cleanStart,
      report: event => { this.events.push(event) },
    })
    return this.store
  }

  async open (config: LogConfig = SMALL, id = LOG_ID): Promise<PartitionLog> {
    if (this.store === undefined) await this.start()
    return await this.store.openLog(id, config)
  }

  /** Ends the process without notice: what was written stays. */
  kill (): void {
    this.disk.kill()
    this.meta.kill()
  }

  powerCut (options?: Parameters<MemoryDisk['powerCut']>[0]): void {
    this.disk.powerCut(options)
    this.meta.powerCut()
  }

  /** Stops cleanly and starts again. */
  async restart (): Promise<void> {
    await this.store.close()
    await this.start()
  }

  kinds (): string[] {
    return this.events.map(event => event.kind)
  }
}

/** A batch of `count` records whose values say who they are. */
export function makeBatch (name: string, count = 1, timestampMs = 1000, padBytes = 0): Buffer {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < count; index++) {
    builder.append(null, `${name}/${index}${'.'.repeat(padBytes)}`, timestampMs + index)
  }
  return builder.build()
}

/** Appends and waits until it is durable by the log's policy. */
export async function append (log: PartitionLog, batch: Buffer, epoch = 1): Promise<number> {
  const offset = log.append(batch, epoch, log.durableOffset)
  await log.flush()
  return offset
}

/** Every batch from the log start to its end, read in slices of `maxBytes`; damage is skipped. */
export async function readAll (log: PartitionLog, from = log.logStartOffset, maxBytes = 1000): Promise<Buffer[]> {
  const batches: Buffer[] = []
  let offset = from
  while (offset < log.nextOffset) {
    const slice: LogSlice = await log.readSlice(offset, maxBytes, log.nextOffset)
    if (slice.sizeBytes === 0) throw new Error(`nothing at ${offset} of ${log.nextOffset}`)
    batches.push(...splitBatches(slice))
    offset = slice.nextOffset
  }
  return batches
}

export function splitBatches (slice: LogSlice): Buffer[] {
  const batches: Buffer[] = []
  for (const bytes of slice.buffers) {
    for (let at = 0; at < bytes.length;) {
      const size = bytes.readUInt32BE(at + 8)
      batches.push(bytes.subarray(at, at + size))
      at += size
    }
  }
  return batches
}

/** Visits every record of a log without damage; every offset from its start to its end must be in one batch. */
export async function forEachRecord (log: PartitionLog, visit: (records: RecordReader) => void): Promise<void> {
  let expected = log.logStartOffset
  await log.replay(0, (batch) => {
    const { baseOffset, lastOffsetDelta } = readBatchHeader(batch)
    // The log start may lie within the first batch.
    const isNext = expected === log.logStartOffset ? baseOffset <= expected : baseOffset === expected
    if (!isNext) throw new Error(`batch at ${baseOffset}, expected at ${expected}`)
    expected = baseOffset + lastOffsetDelta + 1
    const records = new RecordReader().open(batch)
    while (records.next()) visit(records)
  })
  if (expected !== log.nextOffset) throw new Error(`ends at ${expected} instead of ${log.nextOffset}`)
}
