// What a broker does beside serving requests: checkpoints, retention, compaction, forgetting silent producers.
//
// Jobs run a few at a time, and rounds over all partitions in slices of a few milliseconds, so that they never hold up
// a request for long; a round that is still running when the next is due is not started twice. An idle partition costs
// a look at it.

import PQueue from 'p-queue'
import type { PartitionLog } from '@sluice/storage'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'

/** Copies of partitions: their leaders decide what is removed. */
export interface Copies { removeBelowStart (signal: AbortSignal): Promise<void> }

export interface HousekeepingOptions {
  partitions: PartitionTable
  /** The copies of partitions that other brokers lead; null where this broker is alone. */
  copies?: Copies | null
  clock: Clock
  logger: Logger
  /** Jobs at once, over all rounds. */
  concurrency: number
  checkpointIntervalMs: number
  retentionIntervalMs: number
  compactionIntervalMs: number
  producerExpiryMs: number
}

/** After so long a round lets requests have their turn, in milliseconds. */
const SLICE_MS = 4

export class Housekeeping {
  private readonly options: HousekeepingOptions
  private readonly queue: PQueue
  private readonly timers: NodeJS.Timeout[] = []
  /** Rounds that are running, by name. */
  private readonly rounds = new Map<string, Promise<void>>()
  private readonly stopping = new AbortController()

  constructor (options: HousekeepingOptions) {
    this.options = options
    this.queue = new PQueue({ concurrency: options.concurrency })
  }

  start (): void {
    const { checkpointIntervalMs, retentionIntervalMs, compactionIntervalMs } = this.options
    const { signal } = this.stopping
    this.every(checkpointIntervalMs, 'checkpoint', () => this.checkpoints())
    this.every(retentionIntervalMs, 'expiry', () => this.expireProducers())
    this.every(retentionIntervalMs, 'retention', () =>
      this.jobs('retention', () => true, (log, partition) => {
        if (log === partition.log) partition.releaseSettled()
        return log.applyRetention()
      }))
    const { copies = null } = this.options
    if (copies !== null) {
      // Rewriting segments is for a broker that is alone: what others copy has to stay as it was appended.
      return this.every(retentionIntervalMs, 'retention of copies', () => copies.removeBelowStart(signal))
    }
    this.every(compactionIntervalMs, 'compaction', () =>
      this.jobs('compaction', log => log.config.cleanup.compact, log => log.compact(signal)))
    this.every(compactionIntervalMs, 'evacuation', () =>
      this.jobs('evacuation', log => log.id.kind === 'data', (_log, partition) => partition.evacuate(signal)))
  }

  /** Starts nothing any more; resolves when what runs has ended. */
  async stop (): Promise<void> {
    for (const timer of this.timers) clearInterval(timer)
    this.stopping.abort()
    await Promise.all(this.rounds.values())
  }

  private every (intervalMs: number, name: string, round: () => Promise<void>): void {
    this.timers.push(setInterval(() => {
      if (this.rounds.has(name)) return
      this.rounds.set(name, round().finally(() => this.rounds.delete(name)))
    }, intervalMs))
  }

  /** Visits all partitions, in slices; waits where a visit says so. */
  private async forEach (visit: (partition: Partition) => Promise<void> | null): Promise<void> {
    const { clock, partitions } = this.options
    let sliceEndMs = clock.monotonicMs() + SLICE_MS
    for (const partition of partitions.all()) {
      if (this.stopping.signal.aborted) return
      const wait = visit(partition)
      if (wait !== null) await wait
      if (clock.monotonicMs() < sliceEndMs) continue
      await new Promise(resolve => setImmediate(resolve))
      sliceEndMs = clock.monotonicMs() + SLICE_MS
    }
  }

  private checkpoints (): Promise<void> {
    return this.forEach(partition => {
      this.options.partitions.checkpoint(partition)
      return null
    })
  }

  private expireProducers (): Promise<void> {
    const beforeMs = this.options.clock.wallMs() - this.options.producerExpiryMs
    return this.forEach(({ producers }) => {
      if (producers.size > 0) producers.expire(beforeMs)
      return null
    })
  }

  /** Runs a job for each log that may need it; tells of failures once a round. */
  private async jobs (
    name: string, needed: (log: PartitionLog) => boolean,
    job: (log: PartitionLog, partition: Partition) => Promise<unknown>,
  ): Promise<void> {
    const running = new Set<Promise<void>>()
    let failures = 0
    let firstFailure: { partition: string, err: unknown } | null = null
    const run = async (partition: Partition, log: PartitionLog): Promise<void> => {
      try {
        await this.queue.add(async () => {
          if (!partition.closed && !this.stopping.signal.aborted) await job(log, partition)
        })
      } catch (err) {
        failures++
        firstFailure ??= { partition: partition.label, err }
      }
    }
    await this.forEach(partition => {
      let added = false
      for (const log of [partition.log, partition.stateLog]) {
        // An empty log has nothing to tidy up, and one that has failed allows nothing.
        if (log === null || log.segmentCount === 0 || log.state === 'failed' || !needed(log)) continue
        const done = run(partition, log).finally(() => running.delete(done))
        running.add(done)
        added = true
      }
      return added ? this.queue.onSizeLessThan(this.options.concurrency) : null
    })
    await Promise.all(running)
    if (firstFailure === null) return
    this.options.logger.warn({ ...firstFailure as object, failures }, `${name} failed; it is tried again`)
  }
}
