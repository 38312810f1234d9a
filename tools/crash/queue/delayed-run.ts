// Very many delayed records over kill -9: each comes once it is due, in time, whatever was killed in between.
//
//   send, due at dates ───────────────────▶│◀────── due, spread evenly ──────▶│ those due in an hour stay
//   broker ████████████████████ ✗ ▁███████████████████████ ✗ ▁████████████████████
//
// They come due more slowly than they can be received: how fast a queue is, this does not tell.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, connect, string, type Client, type LeasedRecord, type Queue } from '@sluice/client'
import { BrokerProcess, chooseLastingPort } from '../broker-process.js'

export interface DelayedRunOptions {
  /** Those that come due; a tenth as many more are due in an hour. */
  readonly records: number
  readonly folder: string
  /** They come due over so many milliseconds. */
  readonly overMs: number
  /** A record may come so many milliseconds after it is due, or the broker is there again. */
  readonly lateMsMax: number
}

export interface DelayedRunReport {
  readonly records: number
  readonly kills: number
  /** Starts of the broker, the longest, in milliseconds. */
  readonly startMsMax: number
  /** Lateness in milliseconds, at most, and of 99 in 100. */
  readonly lateMsMax: number
  readonly lateMsP99: number
  /** Deliveries of records that had come before: at least once is what is promised. */
  readonly again: number
  readonly violations: readonly string[]
}

type Reminders = Queue<Uint8Array, string>

const BATCH = 1_000
const PARTITIONS = 4
const CONSUMERS = 2
const HOUR_MS = 3_600_000
/** The broker works in ticks, and dates are whole milliseconds. */
const EARLY_MS_MAX = 5
/** Longer starts tell a machine that has time for nothing. */
const START_MS = 1_000

/** @throws where the broker does not come back. */
export async function delayedRun (options: DelayedRunOptions): Promise<DelayedRunReport> {
  return await new DelayedRun(options).run()
}

class DelayedRun {
  private readonly options: DelayedRunOptions
  private readonly violations: string[] = []
  /** By record: when it is due, and whether it has come. */
  private readonly dueMs: Float64Array
  private readonly seen: Uint8Array
  private readonly lateness: number[] = []
  private broker!: BrokerProcess
  private port = 0
  private readySinceMs = 0
  private startMsMax = 0
  private left: number
  private again = 0
  private kills = 0

  constructor (options: DelayedRunOptions) {
    this.options = options
    this.left = options.records
    this.dueMs = new Float64Array(Math.ceil(options.records * 1.1))
    this.seen = new Uint8Array(this.dueMs.length)
  }

  async run (): Promise<DelayedRunReport> {
    const { records, overMs } = this.options
    this.port = await chooseLastingPort()
    await this.start()
    try {
      await using client = connect({ brokers: [`127.0.0.1:${this.port}`], retry: { initialDelayMs: 20, maxDelayMs: 200 } })
      await client.admin.createQueue('reminders', { partitions: PARTITIONS })
      const startMs = await this.send(client)
      await this.killAndStart()
      const stop = new AbortController()
      const consuming = Array.from({ length: CONSUMERS }, () => this.consume(client, stop.signal))
      await delay(Math.max(0, startMs + overMs / 2 - Date.now()))
      await this.killAndStart()
      const deadlineMs = startMs + overMs + 30_000
      while (this.left > 0 && Date.now() < deadlineMs) await delay(100)
      stop.abort(new Error('done'))
      await Promise.all(consuming)
      await this.check(client)
    } finally {
      await this.broker.kill()
    }
    const { kills, startMsMax, again, violations } = this
    const sorted = this.lateness.sort((a, b) => a - b)
    const lateMsP99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0
    return { records, kills, startMsMax, lateMsMax: sorted.at(-1) ?? 0, lateMsP99, again, violations }
  }

  /** Sends all of them; the answer is when the first is due. */
  private async send (client: Client): Promise<number> {
    const { records, overMs } = this.options
    const queue = client.queue('reminders', { value: string() })
    // Long enough for the sending and for a restart; what is late all the same counts from the restart.
    const startMs = Date.now() + 3_000 + records / 5
    for (let index = 0; index < this.dueMs.length; index++) {
      this.dueMs[index] = Math.floor(index < records ? startMs + (index * overMs) / records : startMs + HOUR_MS)
    }
    for (let from = 0; from < this.dueMs.length; from += BATCH) {
      const dues = [...this.dueMs.subarray(from, from + BATCH)]
      const results = await queue.sendBatch(dues.map((at, index) => ({ value: String(from + index), at })))
      for (const result of results) if (!result.ok) throw result.error
    }
    await queue.close()
    return startMs
  }

  private async consume (client: Client, stopping: AbortSignal): Promise<void> {
    const queue: Reminders = client.queue('reminders', { value: string() })
    while (!stopping.aborted) {
      try {
        const leased = await queue.receive({ maxRecords: BATCH, waitMs: 1_000, signal: stopping })
        this.onReceived(leased)
        await Promise.allSettled(leased.map(record => record.ack()))
      } catch (error) {
        if (stopping.aborted) return
        if (!BrokerError.is(error) || !error.retriable) throw error
        await delay(20)
      }
    }
  }

  private onReceived (leased: readonly LeasedRecord<Uint8Array, string>[]): void {
    const nowMs = Date.now()
    for (const { value, id } of leased) {
      const index = Number(value)
      const dueMs = this.dueMs[index]!
      if (nowMs < dueMs - EARLY_MS_MAX) this.violations.push(`early: ${id} came ${dueMs - nowMs} ms before it was due`)
      if (this.seen[index] !== 0) {
        this.again++
        continue
      }
      this.seen[index] = 1
      this.left--
      this.lateness.push(Math.max(0, nowMs - Math.max(dueMs, this.readySinceMs)))
    }
  }

  private async check (client: Client): Promise<void> {
    const { records, lateMsMax } = this.options
    if (this.left > 0) this.violations.push(`lost: ${this.left} of ${records} records have not come`)
    const allowedMs = lateMsMax * Math.max(1, this.startMsMax / START_MS)
    const late = this.lateness.filter(lateMs => lateMs > allowedMs).length
    if (late > 0) this.violations.push(`late: ${late} of ${records} records came more than ${allowedMs} ms after they were due`)
    const { partitions } = await client.queue('reminders').stats()
    const kept = partitions.reduce((sum, { delayed, fresh }) => sum + delayed + fresh, 0)
    const far = this.dueMs.length - records
    if (kept !== far) this.violations.push(`lost: of ${far} records that are due in an hour ${kept} are there`)
  }

  private async killAndStart (): Promise<void> {
    await this.broker.kill()
    this.kills++
    await this.start()
  }

  private async start (): Promise<void> {
    this.broker = new BrokerProcess({ data: join(this.options.folder, 'data'), port: this.port })
    this.startMsMax = Math.max(this.startMsMax, Math.round(await this.broker.ready))
    this.readySinceMs = Date.now()
  }
}
