// A queue group and all that is around it, for tests: a log of records, a state log of which only a prefix is durable,
// clocks by hand, consumers that keep their handles over crashes, a dead-letter queue that loses answers.
//
// It crashes at any point: what was not durable is gone, and another leader goes on from a checkpoint and the deltas
// behind it, under a new epoch.

import { MemoryDelayStore } from './memory-delay-store.js'
import { MemoryLaneIndex } from './memory-lane-index.js'
import { QueueGroup } from './queue-group.js'
import { DEFAULT_QUEUE_SETTINGS, queueConfigOf, type QueueConfig } from './queue-settings.js'
import { type DeadLetter, type Grants, type RecordFacts, type RecordFeed, type SettleItem } from './queue-types.js'

export interface LogRecord {
  readonly offset: number
  readonly lane: number
  readonly notBeforeMs: number
  readonly expiresMs: number
  readonly priority: number
}

/** A lease that a consumer was told of. */
export interface Handle {
  readonly offset: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
  readonly sessionId: number
}

/** What can be planted to see whether it is found. */
export const MUTANTS = [
  'settleBeforeCommit', 'floorOverUnknown', 'leaseSeqReused', 'orderLostOnNack', 'dlqTwice', 'dlqDropped',
  'delayForgotten', 'rateForgotten',
] as const
export type Mutant = typeof MUTANTS[number]

export const BASE_CONFIG: QueueConfig = {
  ...queueConfigOf(DEFAULT_QUEUE_SETTINGS),
  maxAttempts: 3,
  backoffMinMs: 200,
  backoffMaxMs: 100_000,
  visibilityMs: 5_000,
  disconnectGraceMs: 2_000,
  sessionTimeoutMs: 4_000,
  leaseTotalMs: 20_000,
  runMax: 3,
  hasDeadLetters: true,
}

export class QueueWorld implements RecordFeed {
  readonly config: QueueConfig
  readonly mutant: Mutant | null
  readonly records: LogRecord[] = []
  readonly deltas: Uint8Array[] = []
  durableDeltas = 0
  /** Time that no clock can be set back from. */
  trueMs = 0
  monotonicMs = 1_000
  wallMs = 1_700_000_000_000
  epoch = 0
  startOffset = 0
  readonly handles: Handle[] = []
  /** How often a dead letter was appended, by source offset. */
  readonly deadLetters = new Map<number, number>()
  asked: DeadLetter[] = []
  wakes = 0
  /** Facts that are not in memory are read in the next turn. */
  isFeedSlow = false
  /** Offsets that cannot be read from the log, as ranges [from, to). */
  damaged: { from: number, to: number }[] = []
  group!: QueueGroup
  delayed = new MemoryDelayStore()
  laneIndex = new MemoryLaneIndex()
  private randomState: number
  private checkpoint: { snapshot: Uint8Array, delayed: MemoryDelayStore, sequence: number } | null = null
  private isLoaded = false

  constructor (config: Partial<QueueConfig> = {}, mutant: Mutant | null = null, seed = 1) {
    this.config = { ...BASE_CONFIG, ...config }
    this.mutant = mutant
    this.randomState = seed
    this.lead()
  }

  get highWatermark (): number { return this.records.length }

  append (facts: Partial<LogRecord> = {}): number {
    const offset = this.records.length
    this.records.push({ lane: -1, notBeforeMs: 0, expiresMs: 0, priority: 0, ...facts, offset })
    this.group.onHighWatermark(this.records.length)
    return offset
  }

  read (fromOffset: number, endOffset: number, facts: RecordFacts): boolean {
    if (this.isFeedSlow && !this.isLoaded) return false
    let offset = Math.max(fromOffset, this.startOffset)
    const hole = this.holeAt(offset)
    if (hole !== undefined && offset === fromOffset) {
      facts.isDamaged = true
      facts.endOffset = Math.min(endOffset, hole.to)
      return true
    }
    for (; offset < endOffset && facts.count < facts.capacity && this.holeAt(offset) === undefined; offset++) {
      const record = this.records[offset]!
      const row = facts.count++
      facts.offsets[row] = offset
      facts.lanes[row] = record.lane
      facts.notBeforeMs[row] = record.notBeforeMs
      facts.expiresMs[row] = record.expiresMs
      facts.priorities[row] = record.priority
      facts.sizes[row] = 100
    }
    facts.endOffset = Math.max(offset, fromOffset)
    return true
  }

  sizeOf (): number { return 100 }

  holeAt (offset: number): { from: number, to: number } | undefined {
    return this.damaged.find(({ from, to }) => offset >= from && offset < to)
  }

  /** A seeded generator of its own, so that a run is the same every time. */
  random (): number {
    this.randomState = (Math.imul(this.randomState, 1664525) + 1013904223) >>> 0
    return this.randomState / 2 ** 32
  }

  /** Ends the turn; the delta is on its way, not durable. */
  endTurn (): void {
    const delta = this.group.endTurn()
    if (delta !== null) this.deltas.push(delta)
    if (delta !== null && this.mutant === 'settleBeforeCommit') this.group.onDeltaDurable(this.group.sequence)
  }

  /** Deltas become durable: all, or the first `count` that are not. */
  persist (count = Infinity): void {
    this.durableDeltas = Math.min(this.deltas.length, this.durableDeltas + count)
    if (this.durableDeltas > 0) this.group.onDeltaDurable(this.durableDeltas)
    this.endTurn()
  }

  /** Time passes in steps, with a tick after each. */
  pass (durationMs: number, stepMs = durationMs): void {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= stepMs) {
      this.elapse(Math.min(stepMs, leftMs))
      this.tick()
    }
  }

  /** Time passes, and nobody looks. */
  elapse (durationMs: number): void {
    this.trueMs += durationMs
    this.monotonicMs += durationMs
    this.wallMs += durationMs
  }

  tick (): void {
    this.endTurn()
    this.group.tick(this.monotonicMs, this.wallMs)
    this.endTurn()
  }

  load (): void {
    this.isLoaded = true
    this.group.onFactsLoaded()
    this.endTurn()
  }

  unload (): void { this.isLoaded = false }

  /** Stores a checkpoint of the durable state. */
  takeCheckpoint (): void {
    const delayed = this.checkpoint?.delayed.copy() ?? new MemoryDelayStore()
    const group = this.newGroup(delayed)
    this.replayInto(group)
    this.checkpoint = { snapshot: group.state.snapshot(), delayed: delayed.copy(), sequence: group.sequence }
  }

  /** The leader is gone, with all that was not durable; a new one goes on. */
  crash (downMs = 0): void {
    this.group.stop()
    this.deltas.length = this.durableDeltas
    this.asked = []
    this.monotonicMs = 5_000
    this.trueMs += downMs
    this.wallMs += downMs
    this.lead()
  }

  receive (sessionId: number, maxRecords: number, told?: (handles: Handle[]) => void): number {
    const count = this.group.receive({ sessionId, maxRecords, maxBytes: 1e6 }, grants => {
      if (grants === null) return
      const handles = handlesOf(grants)
      this.handles.push(...handles)
      told?.(handles)
    })
    return count
  }

  /** Settles one handle and waits for the answer, which comes when the delta is durable. */
  settleNow (kind: SettleItem['kind'], handle: Handle, more: Partial<SettleItem> = {}): number {
    let answer = -1
    this.group.settle([itemOf(kind, handle, more)], answers => { answer = answers === null ? -2 : answers[0]! })
    this.endTurn()
    this.persist()
    return answer
  }

  /** The dead-letter queue answers everything asked of it. `lost`: appended, but the answer is lost. */
  answerLetters (outcome: 'appended' | 'failed' | 'lost'): void {
    const asked = this.asked
    this.asked = []
    for (const { offset } of asked) {
      if (outcome !== 'failed') {
        const times = this.deadLetters.get(offset) ?? 0
        // Idempotent by source offset.
        this.deadLetters.set(offset, this.mutant === 'dlqTwice' ? times + 1 : 1)
      }
      if (outcome === 'appended' || this.mutant === 'dlqDropped') this.group.onDeadLetterAppended(offset)
      else this.group.onDeadLetterFailed(offset)
    }
    this.endTurn()
  }

  /** A state that only ever heard of the deltas, up to the latest, durable or not. */
  follower (): QueueGroup {
    const group = this.newGroup(new MemoryDelayStore())
    for (const delta of this.deltas) group.replay(delta)
    return group
  }

  private lead (): void {
    this.delayed = this.checkpoint?.delayed.copy() ?? new MemoryDelayStore()
    if (this.mutant === 'delayForgotten') this.delayed.put = () => {}
    // The index in memory is gone with the process.
    this.laneIndex = new MemoryLaneIndex()
    const group = this.group = this.newGroup(this.delayed)
    this.replayInto(group)
    this.epoch++
    if (this.mutant !== null) plant(this.mutant, this, group)
    group.onHighWatermark(this.records.length)
    group.lead(this.epoch, this.monotonicMs, this.wallMs)
    if (this.startOffset > 0) group.onStartOffsetMoved(this.startOffset)
    this.endTurn()
  }

  private replayInto (group: QueueGroup): void {
    if (this.checkpoint !== null) group.restore(this.checkpoint.snapshot)
    for (const delta of this.deltas.slice(0, this.durableDeltas)) group.replay(delta)
  }

  private newGroup (delayed: MemoryDelayStore): QueueGroup {
    return new QueueGroup({
      config: this.config,
      feed: this,
      laneIndex: this.laneIndex,
      delayed,
      random: () => this.random(),
      host: {
        wake: () => { this.wakes++ },
        appendDeadLetter: letter => { this.asked.push(letter) },
      },
    })
  }
}

export function handlesOf (grants: Grants): Handle[] {
  const handles: Handle[] = []
  for (let index = 0; index < grants.count; index++) {
    handles.push({
      offset: grants.offsets[index]!,
      leaseEpoch: grants.leaseEpoch,
      leaseSequence: grants.leaseSequences[index]!,
      sessionId: grants.sessionId,
    })
  }
  return handles
}

export function itemOf (kind: SettleItem['kind'], handle: Handle, more: Partial<SettleItem> = {}): SettleItem {
  const { offset, leaseEpoch, leaseSequence } = handle
  return { kind, offset, count: 1, leaseEpoch, leaseSequence, ...more }
}

/** Plants a fault from outside, by replacing what would be right. */
function plant (mutant: Mutant, world: QueueWorld, group: QueueGroup): void {
  const inner = group as unknown as {
    settlement: { settleUnlisted: (item: SettleItem, offset: number) => number }
    picker: { afterLeaseEnd: (offset: number, lane: number) => void, advance: (lane: number, offset: number) => void }
    journal: { next: (offset: number) => void }
    rates: { start: () => void }
  }
  if (mutant === 'leaseSeqReused') {
    world.epoch = 1
    group.state.epoch = 0
    group.state.leaseCounter = 0
  } else if (mutant === 'rateForgotten') {
    inner.rates.start = () => {}
  } else if (mutant === 'floorOverUnknown') {
    const { settlement, journal } = inner
    const right = settlement.settleUnlisted.bind(settlement)
    settlement.settleUnlisted = (item, offset) => {
      const isFresh = offset >= group.state.nextOffset && offset < world.highWatermark
      const isLost = isFresh && item.kind === 1 && item.leaseEpoch < group.state.epoch
      if (!isLost) return right.apply(settlement, [item, offset, item.leaseSequence] as never)
      journal.next(offset + 1)
      return 1
    }
  } else if (mutant === 'orderLostOnNack' && world.config.order === 'key') {
    const { picker } = inner
    const right = picker.afterLeaseEnd.bind(picker)
    picker.afterLeaseEnd = (offset, lane) => {
      right(offset, lane)
      const slot = group.state.lanes.find(lane)
      if (slot >= 0 && group.state.lanes.positions[slot] === offset) picker.advance(lane, offset)
    }
  }
}

/** A world with two sessions. */
export function worldOf (config: ConstructorParameters<typeof QueueWorld>[0] = {}): QueueWorld {
  const world = new QueueWorld(config)
  for (const sessionId of [1, 2]) world.group.openSession(sessionId, 0)
  world.endTurn()
  world.persist()
  return world
}

/** Leases records, durably. */
export function receive (world: QueueWorld, sessionId: number, maxRecords = 10): Handle[] {
  const handles: Handle[] = []
  world.receive(sessionId, maxRecords, told => handles.push(...told))
  world.endTurn()
  world.persist()
  return handles
}
