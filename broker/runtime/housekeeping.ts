// What a broker does beside serving requests: checkpoints, retention, compaction, forgetting silent producers.
//
// Jobs run a few at a time and in slices, so that they never hold up a request for long; a round that is still running
// when the next is due is not started twice.

import PQueue from 'p-queue'
import type { PartitionLog } from '@sluice/storage'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'

export interface HousekeepingOptions {
  partitions: PartitionTable
  clock: Clock
  logger: Logger
  concurrency: number
  checkpointIntervalMs: number
  retentionIntervalMs: number
  compactionIntervalMs: number
  producerExpiryMs: number
}

export class Housekeeping {
  private readonly options: HousekeepingOptions
  private readonly queue: PQueue
  private readonly timers: NodeJS.Timeout[] = []
  private readonly running = new Set<string>()
  private readonly stopping = new AbortController()

  constructor (options: HousekeepingOptions) {
    this.options = options
    this.queue = new PQueue({ concurrency: options.concurrency })
  }

  start (): void {
    const { checkpointIntervalMs, retentionIntervalMs, compactionIntervalMs } = this.options
    this.every(checkpointIntervalMs, () => this.options.partitions.checkpoint())
    this.every(retentionIntervalMs, () => this.round('retention', log => log.applyRetention()))
    this.every(retentionIntervalMs, () => this.expireProducers())
    this.every(compactionIntervalMs, () => this.round('compaction', log => log.compact(this.stopping.signal)))
  }

  /** Starts nothing any more and waits for what runs. */
  async stop (): Promise<void> {
    for (const timer of this.timers) clearInterval(timer)
    this.stopping.abort()
    this.queue.clear()
    await this.queue.onIdle()
  }

  private every (intervalMs: number, run: () => void): void {
    this.timers.push(setInterval(run, intervalMs))
  }

  private round (name: string, job: (log: PartitionLog) => Promise<unknown>): void {
    if (this.running.has(name)) return
    this.running.add(name)
    const jobs: Promise<void>[] = []
    for (const partition of this.options.partitions.all()) {
      for (const log of [partition.log, partition.stateLog]) {
        if (log === null) continue
        jobs.push(this.queue.add(async () => {
          if (partition.closed || this.stopping.signal.aborted) return
          try {
            await job(log)
          } catch (cause) {
            this.options.logger.warn({ partition: partition.label, err: cause }, `${name} failed; it is tried again`)
          }
        }))
      }
    }
    void Promise.all(jobs).finally(() => this.running.delete(name))
  }

  private expireProducers (): void {
    const beforeMs = this.options.clock.wallMs() - this.options.producerExpiryMs
    for (const { producers } of this.options.partitions.all()) if (producers.size > 0) producers.expire(beforeMs)
  }
}
