// A redrive in its surroundings: reads letters from a dead-letter queue of this broker, keeps consumers from those that
// it moves, appends them to their targets and settles them; its progress is in the control store.
//
//   RedriveJob ─ asks for one thing ─▶ here ─▶ log, queue group, targets, control store
//       ▲                               │
//       └──── answer, or failure ───────┘        a deadline wakes it for its rate, and to ask again
//
// **Once.** With a chunk is stored how far the logs of its targets had come (marks). After a restart, or an append of
// which nobody knows what became of it, the records of this job above the marks are looked for; what is there is not
// appended again. Until the chunk is settled nothing above the marks is removed from those logs.

import assert from 'node:assert'
import { NO_LANE, laneOf } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { QueueGroup } from '../queue/queue-group.js'
import { CHANGE_ANSWER, type ChangeAnswer } from '../queue/record-changes.js'
import { RedriveJob } from '../queue/redrive-job.js'
import { REDRIVE_STATE, type RedriveHost, type RedriveLetter, type RedriveMove, type RedriveSpec, type RedriveStatus } from '../queue/redrive-types.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { reasonNamed } from '../queue-host/reason-names.js'
import type { Clock } from '../runtime/clock.js'
import type { Deadline, DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import { RedriveBatches } from './redrive-batches.js'
import type { RedriveClaims } from './redrive-claims.js'
import type { RedriveEntries, RedriveEntry } from './redrive-entries.js'
import { RedriveLetters, type StoredLetter } from './redrive-letters.js'
import type { RedriveMark, RedrivePlace, RedriveTargets } from './redrive-targets.js'

/** What redrives need of the broker. */
export interface RedriveSurroundings {
  readonly partitions: PartitionTable
  readonly targets: RedriveTargets
  readonly claims: RedriveClaims
  readonly entries: RedriveEntries
  readonly clock: Clock
  readonly deadlines: DeadlineQueue
  readonly logger: Logger
}

/** It is of no use to try again. */
class FinalFailure extends Error {}

/** Facts of records that are being read from disk are looked at so often again. */
const LOOKS_MAX = 500

type Change = (queue: QueueGroup, offset: number, done: (answer: ChangeAnswer | null) => void) => void

export class HostedRedrive implements RedriveHost {
  /** Partitions that were asked for; none for all. */
  readonly partitions: readonly number[]
  /** Called once, when it has ended and that is stored. */
  onEnded: (() => void) | null = null
  private readonly surroundings: RedriveSurroundings
  private readonly job: RedriveJob
  private marks: readonly RedriveMark[]
  /** What of the chunk is in the targets is known, since it was put together here and no append has failed. */
  private isTargetKnown = false
  /** The letters of the chunk are kept from consumers until then, as far as this process knows: monotonic clock. */
  private claimedUntilMs = -Infinity
  private reader: { readonly partition: Partition, readonly letters: RedriveLetters } | null = null
  private deadline: Deadline | null = null
  private isStopped = false
  private firstSave: ((error: Error | null) => void) | null = null

  private constructor (surroundings: RedriveSurroundings, entry: Omit<RedriveEntry, 'record'>, make: (host: RedriveHost) => RedriveJob) {
    this.surroundings = surroundings
    this.partitions = entry.partitions
    this.marks = entry.marks
    this.job = make(this)
  }

  /** A new job. */
  static of (surroundings: RedriveSurroundings, spec: RedriveSpec, partitions: readonly number[]): HostedRedrive {
    return new HostedRedrive(surroundings, { partitions, marks: [] },
      host => new RedriveJob(spec, host, LIMITS.redrivePlan))
  }

  /** A job as it was stored. @throws QueueStateFault where the record is damaged or of an unknown version */
  static restore (surroundings: RedriveSurroundings, entry: RedriveEntry): HostedRedrive {
    return new HostedRedrive(surroundings, entry,
      host => RedriveJob.restore(Buffer.from(entry.record, 'base64'), host, LIMITS.redrivePlan))
  }

  get spec (): RedriveSpec { return this.job.spec }

  /** It runs until its end is stored: what has been told of an end stays so over a crash. */
  get status (): RedriveStatus {
    const { status, isEnded } = this.job
    return isEnded ? status : { ...status, state: REDRIVE_STATE.running, message: '', endedMs: -1 }
  }

  /** It has ended, and that is stored. */
  get isEnded (): boolean { return this.job.isEnded }

  /** Begins, or goes on after a restart. Resolves when it is stored for the first time; rejects where that failed. */
  start (): Promise<void> {
    const { clock, targets } = this.surroundings
    if (this.job.status.state === REDRIVE_STATE.running) targets.hold(this.spec.redriveId, this.marks)
    const started = new Promise<void>((resolve, reject) => {
      this.firstSave = error => error === null ? resolve() : reject(error)
    })
    this.job.start(clock.monotonicMs(), this.wallMs)
    return started
  }

  /** Stops the job; what it has moved stays moved. `onEnded` follows. */
  cancel (): void {
    if (this.isEnded) return
    this.job.cancel()
    this.after()
  }

  /** The broker stops: nothing happens any more until the job is restored. */
  stop (): void {
    this.isStopped = true
    if (this.deadline !== null) this.surroundings.deadlines.cancel(this.deadline)
    this.deadline = null
  }

  // What the job asks for.

  read (partition: number, fromOffset: number, endOffset: number): void {
    this.perform(async () => {
      const { letters, nextOffset } = await this.lettersOf(partition).read(fromOffset, endOffset)
      const waiting: RedriveLetter[] = []
      for (const letter of letters) {
        const stand = await this.standOf(partition, letter.offset)
        if (stand === 'waiting') waiting.push(...redriveLetter(letter))
      }
      return () => this.job.onLetters(waiting, nextOffset)
    })
  }

  claim (partition: number, offsets: readonly number[]): void {
    const { claims, targets } = this.surroundings
    const { redriveId } = this.spec
    const own = claims.take(redriveId, this.placeName(partition), offsets)
    this.perform(async () => {
      let claimed: number[] = []
      try {
        const places = await this.placesOf(partition, own)
        const marks = await Promise.all(distinct(places.values()).map(place => targets.mark(place)))
        const kept = await this.keepFromConsumers(partition, [...places.keys()])
        if (this.job.status.state !== REDRIVE_STATE.running) this.giveBack(partition, kept)
        else {
          claimed = kept
          this.marks = marks
          this.isTargetKnown = true
          targets.hold(redriveId, marks)
        }
      } finally {
        claims.release(redriveId, this.placeName(partition), own.filter(offset => !claimed.includes(offset)))
      }
      return () => this.job.onClaimed(claimed)
    })
  }

  save (record: Uint8Array): void {
    const { spec: { redriveId }, partitions, marks } = this
    const entry = { record: Buffer.from(record).toString('base64'), partitions, marks }
    this.perform(async () => {
      await this.surroundings.entries.save(redriveId, entry)
      return () => {
        this.tellFirstSave(null)
        this.job.onSaved()
      }
    })
  }

  append (partition: number, moves: readonly RedriveMove[]): void {
    const { claims, clock, targets } = this.surroundings
    const { redriveId, targetTopicId } = this.spec
    const offsets = moves.map(({ offset }) => offset)
    claims.take(redriveId, this.placeName(partition), offsets)
    this.perform(async () => {
      const there = this.isTargetKnown ? new Set<number>() : await targets.sequencesAbove(redriveId, this.marks)
      if (this.claimedUntilMs < clock.monotonicMs() + LIMITS.redriveClaimMs / 2) {
        await this.keepFromConsumers(partition, offsets)
      }
      // From here on nobody knows, until all is committed.
      this.isTargetKnown = false
      const batches = new RedriveBatches(redriveId, targets)
      const stuck: number[] = []
      let missing = 0
      let message = ''
      for (const { sequence, offset } of moves) {
        if (there.has(sequence)) continue
        const letter = await this.lettersOf(partition).find(offset)
        if (letter === null || await this.standOf(partition, offset) === 'gone') {
          missing++
          continue
        }
        const place = targets.placeOf(targetTopicId, letter)
        if ('fault' in place) {
          stuck.push(offset)
          message = place.fault
        } else await batches.add(place, letter, sequence)
      }
      await batches.finish()
      this.isTargetKnown = true
      this.giveBack(partition, stuck)
      return () => this.job.onAppended(missing, stuck, message)
    })
  }

  settle (partition: number, offsets: readonly number[]): void {
    this.perform(async () => {
      const answers = await this.change(partition, offsets, (queue, offset, done) => queue.cancel(offset, done))
      if (answers.includes(CHANGE_ANSWER.BUSY)) throw new Error('the dead-letter queue cannot settle for now')
      this.letGo()
      return () => this.job.onSettled()
    })
  }

  /** Runs what the job has asked for; what comes out is the answer. */
  private perform (effect: () => Promise<() => void>): void {
    const { clock } = this.surroundings
    effect().catch((cause: Error) => () => this.onFailure(cause)).then(answer => {
      if (this.isStopped) return
      this.job.tick(clock.monotonicMs(), this.wallMs)
      answer()
      this.after()
    })
  }

  private onFailure (cause: Error): void {
    // A mistake of ours must not go on as if the disk had failed.
    assert(!(cause instanceof assert.AssertionError), cause)
    const { spec: { redriveId }, surroundings: { logger } } = this
    const isFinal = cause instanceof FinalFailure
    if (!isFinal) logger.warn({ redriveId, err: cause }, 'a redrive could not go on; it is tried again')
    this.tellFirstSave(cause)
    this.job.onFailed(cause.message, isFinal)
  }

  /** After an event: sets the timer; tells of the end. */
  private after (): void {
    const { deadlines, clock } = this.surroundings
    if (this.deadline !== null) deadlines.cancel(this.deadline)
    this.deadline = null
    if (this.isStopped) return
    const { nextDueMs } = this.job
    if (nextDueMs !== Infinity) {
      this.deadline = deadlines.add(nextDueMs, () => {
        this.deadline = null
        this.job.tick(clock.monotonicMs(), this.wallMs)
        this.after()
      })
    }
    if (!this.isEnded || this.onEnded === null) return
    const { onEnded } = this
    this.onEnded = null
    this.letGo()
    this.reader = null
    onEnded()
  }

  private letGo (): void {
    const { spec: { redriveId }, surroundings: { claims, targets } } = this
    claims.releaseAll(redriveId)
    targets.letGo(redriveId, this.marks)
  }

  private tellFirstSave (error: Error | null): void {
    this.firstSave?.(error)
    this.firstSave = null
  }

  /** Where each of these letters belongs; without those that are gone. */
  private async placesOf (partition: number, offsets: readonly number[]): Promise<Map<number, RedrivePlace>> {
    const places = new Map<number, RedrivePlace>()
    for (const offset of offsets) {
      const letter = await this.lettersOf(partition).find(offset)
      if (letter === null) continue
      const place = this.surroundings.targets.placeOf(this.spec.targetTopicId, letter)
      if ('fault' in place) throw new FinalFailure(place.fault)
      places.set(offset, place)
    }
    return places
  }

  /** @returns those for which that was possible. */
  private async keepFromConsumers (partition: number, offsets: readonly number[]): Promise<number[]> {
    const { clock } = this.surroundings
    const untilMs = this.wallMs + LIMITS.redriveClaimMs
    this.claimedUntilMs = clock.monotonicMs() + LIMITS.redriveClaimMs
    const answers = await this.change(partition, offsets,
      (queue, offset, done) => queue.reschedule(offset, untilMs, done))
    if (answers.includes(CHANGE_ANSWER.BUSY)) throw new Error('the dead-letter queue cannot put letters off for now')
    return offsets.filter((_offset, index) => answers[index] === CHANGE_ANSWER.OK)
  }

  /** These are for consumers again. */
  private giveBack (partition: number, offsets: readonly number[]): void {
    if (offsets.length === 0) return
    const { wallMs } = this
    this.change(partition, offsets, (queue, offset, done) => queue.reschedule(offset, wallMs, done))
      .catch(() => {}) // The claim ends by itself.
  }

  /** Changes letters in one turn of their group; the answers when they are durable. */
  private async change (partition: number, offsets: readonly number[], change: Change): Promise<ChangeAnswer[]> {
    const queue = this.groupOf(partition).turn()
    const answers = await Promise.all(offsets.map(offset => new Promise<ChangeAnswer | null>(resolve => {
      change(queue, offset, resolve)
    })))
    return answers.map(answer => {
      if (answer === null) throw new Error('nobody can tell whether a change of the dead-letter queue was kept')
      return answer
    })
  }

  /** Facts may have to be read from disk first. */
  private async standOf (partition: number, offset: number): Promise<'waiting' | 'leased' | 'gone'> {
    const { clock, deadlines } = this.surroundings
    for (let look = 0; look < LOOKS_MAX; look++) {
      const { state } = this.groupOf(partition).turn().explain(offset)
      if (state === 'terminal' || state === 'dead-letter-pending') return 'gone'
      if (state === 'leased') return 'leased'
      if (state !== 'unknown') return 'waiting'
      await new Promise<void>(resolve => { deadlines.add(clock.monotonicMs() + LIMITS.tickMs, resolve) })
    }
    throw new Error(`where dead letter ${offset} stands cannot be told for now`)
  }

  private groupOf (index: number): HostedQueueGroup {
    const { queues, label } = this.partition(index)
    const group = queues?.find('')
    if (group === undefined || group.isStopped || queues!.blockedBy !== null) {
      throw new Error(`the queue group of ${label} takes nothing for now`)
    }
    return group
  }

  private lettersOf (index: number): RedriveLetters {
    const partition = this.partition(index)
    if (this.reader?.partition !== partition) this.reader = { partition, letters: new RedriveLetters(partition) }
    return this.reader.letters
  }

  private partition (index: number): Partition {
    const partition = this.surroundings.partitions.find(this.spec.sourceTopicId, index)
    if (partition === undefined) throw new FinalFailure('the dead-letter queue was deleted')
    return partition
  }

  private placeName (partition: number): string { return `${this.spec.sourceTopicId}/${partition}` }

  private get wallMs (): number { return Math.max(0, Math.floor(this.surroundings.clock.wallMs())) }
}

/** What the job looks at; nothing where the reason is none that is known here. */
function redriveLetter ({ offset, key, headers, note }: StoredLetter): RedriveLetter[] {
  const reason = reasonNamed(note.reason)
  if (reason === null) return []
  return [{
    offset,
    lane: key === null ? NO_LANE : laneOf(key),
    reason,
    diedMs: note.diedAt,
    originOffset: note.offset,
    headerOf: wanted => headers.find(({ name }) => name === wanted)?.value?.toString() ?? null,
  }]
}

function distinct (places: Iterable<RedrivePlace>): RedrivePlace[] {
  const named = new Map<string, RedrivePlace>()
  for (const place of places) named.set(`${place.topicId}/${place.partition}`, place)
  return [...named.values()]
}
