// Finds what this process leads by the control store and should lead no more. Nobody else can know, since the process
// is there; so it says what is wrong, and hands over itself.
//
//   given up    the core has no role though the record names this process: a disk that failed, a range that cannot be
//               read ──▶ to anybody
//   in trouble  the disk is full, or does not keep up: it leads on, since what it has can be read
//               ──▶ to somebody whose disk is in less trouble, once there is one
//
// What is wrong with the disk goes into the broker's entry, so that nothing comes back before it is well.

import type { Logger } from '../runtime/logger.js'
import type { ReplicaTable } from './replica-table.js'
import type { StorageTrouble } from './storage-watch.js'

/** Who is told: see BrokerCluster. */
export interface HandOverTarget {
  setImpaired (trouble: StorageTrouble | null): void
  resign (needOf: (topicId: string, partition: number) => 'must' | 'should' | null): Promise<void>
}

/**
 * A new record is acted on at once, and a full disk may have space again at once. And the others write the same, so
 * that they may be in the same trouble: they have time to say so. In milliseconds.
 */
const TROUBLED_MS = 1_000
/** Once its disk is well this broker may lead again after so long: a disk at its limit is not to lead now and then. */
const WELL_AGAIN_MS = 10_000
/** Not asked for so long: the process has stood still. */
const STALLED_MS = 1_000

export class HandOverWatch {
  private readonly target: HandOverTarget
  private readonly logger: Logger
  /** Partitions that are given up or in trouble, since when that was seen. */
  private readonly sinceMs = new Map<string, number>()
  private impaired: StorageTrouble | null = null
  /** When the disk was last in trouble. */
  private impairedMs = 0
  private tickedMs = 0

  constructor (target: HandOverTarget, logger: Logger) {
    this.target = target
    this.logger = logger
  }

  /** To be called a few times a second. */
  tick (nowMs: number, replicas: Pick<ReplicaTable, 'givenUp' | 'lookAtStorage'>): void {
    const hasStalled = nowMs - this.tickedMs > STALLED_MS
    this.tickedMs = nowMs
    const { worst, led } = replicas.lookAtStorage(nowMs, hasStalled)
    this.note(worst, nowMs)
    const needs = this.needsOf(new Set(replicas.givenUp()), led, nowMs)
    if (needs.size === 0) return
    this.target.resign((topicId, partition) => needs.get(`${topicId}/${partition}`) ?? null).catch((cause: Error) => {
      this.logger.debug({ err: cause }, 'a partition could not be handed over; it is tried again')
    })
  }

  private note (trouble: StorageTrouble | null, nowMs: number): void {
    if (trouble !== null) this.impairedMs = nowMs
    else if (nowMs - this.impairedMs < WELL_AGAIN_MS) return
    if (trouble === this.impaired) return
    this.impaired = trouble
    if (trouble === null) this.logger.info({}, 'the disk takes everything again; this broker may lead again')
    else this.logger.warn({ trouble }, 'the disk is in trouble; what it concerns is handed to other brokers')
    this.target.setImpaired(trouble)
  }

  private needsOf (
    givenUp: ReadonlySet<string>, led: ReadonlyMap<string, StorageTrouble>, nowMs: number,
  ): Map<string, 'must' | 'should'> {
    const { sinceMs } = this
    const needs = new Map<string, 'must' | 'should'>()
    for (const name of sinceMs.keys()) if (!givenUp.has(name) && !led.has(name)) sinceMs.delete(name)
    for (const name of new Set([...givenUp, ...led.keys()])) {
      const seenMs = sinceMs.get(name) ?? nowMs
      sinceMs.set(name, seenMs)
      const isDue = nowMs - seenMs >= TROUBLED_MS
      if (givenUp.has(name) ? isDue || led.get(name) === 'failed' : isDue) {
        needs.set(name, givenUp.has(name) ? 'must' : 'should')
      }
    }
    return needs
  }
}
