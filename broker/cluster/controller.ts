// The broker that decides for the cluster: one of them, whichever put its name down first. What it decides is in
// ControllerCore; this runs for the office, looks whenever something has changed and puts decisions into force.
//
//   no controller ──▶ campaign ── first ──▶ in office ── name gone, or another one's ──▶ no controller
//
// - Every transaction holds only while this name stands there: two controllers do not undo each other's work. Nothing
//   would be lost if they did.
// - A controller that others cannot reach is put out of office by them, as a leader would be.

import type { ControlCompare, ControlStore } from '../control/control-store.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import { systemTimers, type Timers } from '../runtime/timers.js'
import { CONTROLLER_KEY, moveKey, type ControllerRecord } from './cluster-records.js'
import { PARTITION_PREFIX, type ClusterMetadata } from './cluster-metadata.js'
import { CONTROLLER_LIMITS, ControllerCore, type ControllerLimits } from './controller-core.js'
import type { Decision } from './controller-view.js'
import type { Membership } from './membership.js'
import { commitSwaps, type KeySwap } from './record-commits.js'

export interface ControllerOptions {
  readonly control: ControlStore
  readonly metadata: ClusterMetadata
  readonly membership: Membership
  readonly self: ControllerRecord
  readonly clock: Clock
  readonly logger: Logger
  readonly makeNonce: () => string
  readonly timers?: Timers
  readonly limits?: ControllerLimits
}

/** How often it looks although nothing has changed: time is a change too. */
const LOOK_MS = 500
/** Records of deleted topics, and deleted topics themselves, are looked for so often. */
const SWEEP_MS = 10_000
/** What a creation that failed has left is removed after so long: it may still be under way. */
const ORPHAN_MS = 120_000
/** Brokers that were away for longer than this keep files of topics that were deleted meanwhile. */
const DELETED_TOPIC_KEPT_MS = 30 * 24 * 3_600_000

export class Controller {
  private readonly options: ControllerOptions
  private readonly timers: Timers
  private core: ControllerCore | null = null
  private endLooks = (): void => {}
  private unsubscribe = (): void => {}
  private looking: Promise<void> | null = null
  private again = false
  private sweptMs = -Infinity
  /** Records of topics that nobody knows, and since when that has been seen. */
  private readonly orphansMs = new Map<string, number>()
  private closed = false

  constructor (options: ControllerOptions) {
    this.options = options
    this.timers = options.timers ?? systemTimers
  }

  /** True while this broker decides, as far as it knows. */
  get inOffice (): boolean {
    const { metadata, self } = this.options
    return metadata.controller?.incarnation === self.incarnation
  }

  start (): void {
    this.unsubscribe = this.options.metadata.subscribe({ onAny: () => this.look() })
    this.endLooks = this.timers.every(LOOK_MS, () => this.look())
    this.look()
  }

  /** Ends its work; the name goes with the lease of the membership. */
  async stop (): Promise<void> {
    this.closed = true
    this.unsubscribe()
    this.endLooks()
    await this.looking
  }

  private look (): void {
    if (this.closed) return
    if (this.looking !== null) {
      this.again = true
      return
    }
    this.looking = this.act().catch((cause: Error) => {
      this.options.logger.debug({ err: cause }, 'the control store could not be reached; what was decided is decided anew')
    }).finally(() => {
      this.looking = null
      if (!this.again) return
      this.again = false
      this.timers.endOfTurn(() => this.look())
    })
  }

  private async act (): Promise<void> {
    if (!this.inOffice) {
      this.core = null
      return await this.campaign()
    }
    if (this.core === null) {
      const { metadata, makeNonce, limits = CONTROLLER_LIMITS, logger } = this.options
      logger.info({}, 'this broker is the controller of the cluster')
      // What was decided before us must be known to us.
      await metadata.refresh()
      this.core = new ControllerCore(makeNonce, limits)
    }
    await this.decide(this.core)
    await this.sweep()
  }

  private async campaign (): Promise<void> {
    const { control, metadata, membership, self } = this.options
    const { lease } = membership
    const { controller } = metadata
    if (lease === null || !this.mayRun(controller)) return
    // Out of date or not: the comparison decides.
    const revision = metadata.controllers.revisionOf('')
    const change = { key: CONTROLLER_KEY, value: self, lease: lease.id }
    await control.commit([change], [{ key: CONTROLLER_KEY, revision }])
  }

  /** The office is empty, or held by somebody whom others cannot reach; and this broker can be reached itself. */
  private mayRun (controller: ControllerRecord | null): boolean {
    const { metadata, self } = this.options
    const brokers = metadata.brokersById()
    if (brokers.get(self.brokerId)?.incarnation !== self.incarnation) return false
    const deposed = metadata.deposed()
    if (deposed.has(self.brokerId)) return false
    if (controller === null) return true
    const holder = brokers.get(controller.brokerId)
    return holder !== undefined && (deposed.has(controller.brokerId) || holder.incarnation !== controller.incarnation)
  }

  private async decide (core: ControllerCore): Promise<void> {
    const { control, metadata, clock, logger } = this.options
    const decisions = core.decide({
      brokers: metadata.brokersById(),
      deposed: metadata.deposed(),
      draining: metadata.draining(),
      partitions: metadata.partitionEntries(),
      moveOf: (topicId, partition) => metadata.moves.get(`${topicId}/${partition}`),
    }, clock.monotonicMs())
    if (decisions.length === 0) return
    const startMs = clock.monotonicMs()
    const swaps = decisions.map(decision => this.swapOf(decision))
    const guard: ControlCompare[] = [{ key: CONTROLLER_KEY, revision: metadata.controllers.revisionOf('') }]
    try {
      const made = await commitSwaps(control, swaps, guard)
      const count = (kind: Decision['kind']): number => decisions.filter(decision => decision.kind === kind).length
      logger.info({
        failOvers: count('fail-over'),
        learners: count('learners'),
        movesDone: count('move-done'),
        made,
        tookMs: Math.round(clock.monotonicMs() - startMs),
      }, 'changed who leads or holds partitions')
    } finally {
      // What was made, refused or never answered is seen here before anything is decided on it again.
      await metadata.refresh()
    }
  }

  private swapOf ({ kind, entry: { topicId, partition, revision }, record }: Decision): KeySwap {
    if (kind === 'move-done') {
      const { moves } = this.options.metadata
      return { change: { key: moveKey(topicId, partition), value: null }, revision: moves.revisionOf(`${topicId}/${partition}`) }
    }
    return { change: { key: `${PARTITION_PREFIX}${topicId}/${partition}`, value: record }, revision }
  }

  /** Removes what nobody needs any more: what belongs to deleted topics, and in the end the word of the deletion. */
  private async sweep (): Promise<void> {
    const { control, metadata, clock } = this.options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.sweptMs < SWEEP_MS) return
    this.sweptMs = nowMs
    const swaps: KeySwap[] = []
    for (const mirror of [metadata.records, metadata.moves]) {
      for (const [name, { revision }] of mirror.entries) {
        const topicId = name.slice(0, name.lastIndexOf('/'))
        if (!metadata.wasDeleted(topicId) && !this.isOrphan(mirror.prefix + name, topicId, nowMs)) continue
        swaps.push({ change: { key: mirror.prefix + name, value: null }, revision })
      }
    }
    for (const [topicId, { value: { deletedAt }, revision }] of metadata.deletedTopics.entries) {
      if (clock.wallMs() - deletedAt < DELETED_TOPIC_KEPT_MS) continue
      swaps.push({ change: { key: metadata.deletedTopics.prefix + topicId, value: null }, revision })
    }
    if (swaps.length === 0) return
    await commitSwaps(control, swaps, [{ key: CONTROLLER_KEY, revision: metadata.controllers.revisionOf('') }])
  }

  /** Records come before their topic when that is created. No file is deleted for it: that takes a DeletedTopic. */
  private isOrphan (key: string, topicId: string, nowMs: number): boolean {
    if (this.options.metadata.topicById(topicId) !== undefined) {
      this.orphansMs.delete(key)
      return false
    }
    const sinceMs = this.orphansMs.get(key)
    if (sinceMs === undefined) this.orphansMs.set(key, nowMs)
    return sinceMs !== undefined && nowMs - sinceMs >= ORPHAN_MS
  }
}
