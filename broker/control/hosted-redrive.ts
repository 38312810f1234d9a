// A redrive in its surroundings: reads letters from a partition of a dead-letter queue that this broker leads, keeps
// consumers from those that it moves, has them appended to their targets and settles them; its progress is in the
// control store.
//
//   RedriveJob ─ asks for one thing ─▶ here ─▶ log, queue group, targets, control store
//       ▲                               │
//       └──── answer, or failure ───────┘        a deadline wakes it for its rate, and to ask again
//
// It lives for one leadership of one partition: when that ends, or the job comes to the next partition, it stops, and
// whoever leads there takes the job up as it was stored (Redrives).
//
// **Once.** With a chunk is stored how far the logs of its targets had come (marks). After a restart, or an append of
// which nobody knows what became of it, the records of this job above the marks are looked for; what is there is not
// appended again. Until the chunk is settled nothing above the marks is removed from those logs.

import assert from 'node:assert'
import { NO_LANE, laneOf } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { QueueGroup } from '../queue/queue-group.js'
import { CHANGE_ANSWER, type ChangeAnswer } from '../queue/record-changes.js'
import { RedriveJob } from '../queue/redrive-job.js'
import {
  REDRIVE_STATE, type RedriveHost, type RedriveLetter, type RedriveMove, type RedriveSpec, type RedriveStatus,
} from '../queue/redrive-types.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { reasonNamed } from '../queue-host/reason-names.js'
import type { Clock } from '../runtime/clock.js'
import type { Deadline, DeadlineQueue } from '../runtime/deadline-queue.js'
import type { Logger } from '../runtime/logger.js'
import { isPassing } from './other-brokers.js'
import { RedriveBatches } from './redrive-batches.js'
import type { RedriveClaims } from './redrive-claims.js'
import type { RedriveEntries, RedriveEntry, StoredRedrive } from './redrive-entries.js'
import { RedriveLetters, type StoredLetter } from './redrive-letters.js'
import {
  placeName, type RedriveMark, type RedrivePlace, type RedriveRun, type RedriveTargets,
} from './redrive-targets.js'

/** What redrives need of the broker. */
export interface RedriveSurroundings {
  readonly targets: RedriveTargets
  readonly claims: RedriveClaims
  readonly entries: RedriveEntries
  readonly clock: Clock
  readonly deadlines: DeadlineQueue
  readonly logger: Logger
}

/** It is of no use to try again. */
class FinalFailure extends Error {}

/** This broker runs the job no more. */
class Superseded extends Error {}

/** Facts of records that are being read from disk are looked at so often again. */
const LOOKS_MAX = 500

type Change = (queue: QueueGroup, offset: number, done: (answer: ChangeAnswer | null) => void) => void

export class HostedRedrive implements RedriveHost, RedriveRun {
  /** Called once, when it has ended and that is stored. */
  onEnded: (() => void) | null = null
  /** Called once, where it is for somebody else to go on. */
  onDropped: (() => void) | null = null
  private readonly surroundings: RedriveSurroundings
  private readonly entry: RedriveEntry
  /** Of the dead-letter queue: the one that is at work. */
  private readonly partition: Partition
  private readonly job: RedriveJob
  private readonly letters: RedriveLetters
  /** Of what is stored. */
  private revision: number
  private latestAsk = 0
  private marks: readonly RedriveMark[]
  /** Under which epochs the targets are led, as they have told last; by place. */
  private readonly epochs = new Map<string, number>()
  /** What of the chunk is in the targets is known, since it was put together here and no append has failed. */
  private isTargetKnown = false
  /** The letters of the chunk are kept from consumers until then, as far as this process knows: monotonic clock. */
  private claimedUntilMs = -Infinity
  private deadline: Deadline | null = null
  private isStopped = false

  /**
   * A job as it was stored, by who has taken it up.
   *
   * @throws QueueStateFault where the record is damaged or of an unknown version
   */
  constructor (surroundings: RedriveSurroundings, { entry, revision }: StoredRedrive, partition: Partition) {
    this.surroundings = surroundings
    this.entry = entry
    this.revision = revision
    this.marks = entry.marks
    this.partition = partition
    this.letters = new RedriveLetters(partition)
    this.job = RedriveJob.restore(Buffer.from(entry.record, 'base64'), this, LIMITS.redrivePlan)
  }

  get spec (): RedriveSpec { return this.job.spec }

  get redriveId (): string { return this.spec.redriveId }

  get term (): number { return this.entry.term }

  nextAsk (): number { return ++this.latestAsk }

  /** It runs until its end is stored: what has been told of an end stays so over a crash. */
  get status (): RedriveStatus {
    const { status, isEnded, waitsFor } = this.job
    return isEnded ? status : { ...status, state: REDRIVE_STATE.running, message: waitsFor, endedMs: -1 }
  }

  /** It has ended, and that is stored. */
  get isEnded (): boolean { return this.job.isEnded }

  /** The leadership under which it was taken up is over. */
  get isOver (): boolean { return this.partition.closedBy !== null }

  /** Begins, or goes on after a restart. */
  start (): void {
    const { clock, targets, claims } = this.surroundings
    const { redriveId, marks, job } = this
    targets.hold(redriveId, marks)
    // Before any other job can ask for more.
    claims.take(redriveId, this.claimPlace, job.chunk)
    job.start(clock.monotonicMs(), this.wallMs, this.entry.pauseMs)
  }

  /** Stops the job; what it has moved stays moved. `onEnded` follows. */
  cancel (): void {
    if (this.isEnded) return
    this.job.cancel()
    this.after()
  }

  /** Nothing happens here any more. */
  stop (): void {
    this.isStopped = true
    if (this.deadline !== null) this.surroundings.deadlines.cancel(this.deadline)
    this.deadline = null
  }

  /** Leaves the job to whoever leads the partition at work; what is stored counts. */
  drop (): void {
    if (this.isStopped || this.isEnded) return
    this.stop()
    this.surroundings.claims.releaseAll(this.redriveId)
    this.onDropped?.()
  }

  // What the job asks for.

  read (partition: number, fromOffset: number, endOffset: number): void {
    if (partition !== this.partition.index) return this.handOver()
    this.perform(async () => {
      const { letters, nextOffset } = await this.letters.read(fromOffset, endOffset)
      const waiting: RedriveLetter[] = []
      for (const letter of letters) {
        const stand = await this.standOf(letter.offset)
        if (stand === 'waiting') waiting.push(...redriveLetter(letter))
      }
      return () => this.job.onLetters(waiting, nextOffset)
    })
  }

  claim (_partition: number, offsets: readonly number[]): void {
    const { claims, targets } = this.surroundings
    const { redriveId, claimPlace } = this
    const own = claims.take(redriveId, claimPlace, offsets)
    this.perform(async () => {
      let claimed: number[] = []
      try {
        const places = await this.placesOf(own)
        const marks = await this.marksOf(distinct(places.values()))
        const kept = await this.keepFromConsumers([...places.keys()])
        if (this.job.status.state !== REDRIVE_STATE.running) this.giveBack(kept)
        else {
          claimed = kept
          this.marks = marks
          this.isTargetKnown = true
          targets.hold(redriveId, marks)
        }
      } finally {
        if (!this.isStopped) claims.release(redriveId, claimPlace, own.filter(offset => !claimed.includes(offset)))
      }
      return () => this.job.onClaimed(claimed)
    })
  }

  save (record: Uint8Array): void {
    this.perform(async () => {
      await this.store(record)
      return () => this.job.onSaved()
    })
  }

  append (_partition: number, moves: readonly RedriveMove[]): void {
    const { claims, clock } = this.surroundings
    const { redriveId } = this
    const offsets = moves.map(({ offset }) => offset)
    claims.take(redriveId, this.claimPlace, offsets)
    this.perform(async () => {
      const there = this.isTargetKnown ? new Set<number>() : await this.sequencesThere()
      if (this.claimedUntilMs < clock.monotonicMs() + LIMITS.redriveClaimMs / 2) await this.keepFromConsumers(offsets)
      const left = moves.filter(({ sequence }) => !there.has(sequence))
      const { toMove, stuck, missing, message } = await this.sortOut(left)
      await this.markNew(distinct(toMove.map(({ place }) => place)))
      // From here on nobody knows, until all is committed.
      this.isTargetKnown = false
      const batches = new RedriveBatches(redriveId, (place, batch) => this.appendTo(place, batch))
      for (const { move: { sequence, offset }, place } of toMove) {
        const letter = await this.letters.find(offset)
        if (letter === null) throw new Error(`dead letter ${offset} cannot be read any more`)
        await batches.add(place, letter, sequence)
      }
      await batches.finish()
      this.isTargetKnown = true
      this.giveBack(stuck)
      return () => this.job.onAppended(missing, stuck, message)
    })
  }

  settle (_partition: number, offsets: readonly number[]): void {
    this.perform(async () => {
      const answers = await this.change(offsets, (queue, offset, done) => queue.cancel(offset, done))
      if (answers.includes(CHANGE_ANSWER.BUSY)) throw new Error('the dead-letter queue cannot settle for now')
      this.letGo()
      return () => this.job.onSettled()
    })
  }

  /** What comes next is for whoever leads the next partition. */
  private handOver (): void {
    const { record } = this.job
    this.perform(async () => {
      await this.store(record)
      return () => this.drop()
    })
  }

  private async store (record: Uint8Array): Promise<void> {
    const { redriveId, marks, job: { pauseMs } } = this
    const entry = { ...this.entry, record: Buffer.from(record).toString('base64'), marks, pauseMs }
    const revision = await this.surroundings.entries.save(redriveId, entry, this.revision)
    if (revision === null) throw new Superseded('somebody else has written since')
    this.revision = revision
  }

  private appendTo (place: RedrivePlace, batch: Buffer): Promise<void> {
    this.checkLeadership()
    return this.surroundings.targets.append(this, place, this.epochs.get(placeName(place)) ?? -1, batch)
  }

  /** Where records of a new chunk are to be looked for: above what is there now. */
  private async marksOf (places: readonly RedrivePlace[]): Promise<RedriveMark[]> {
    return await Promise.all(places.map(async place => {
      const { leaderEpoch, endOffset: offset } = await this.surroundings.targets.find(this, place, -1)
      this.epochs.set(placeName(place), leaderEpoch)
      return { ...place, offset }
    }))
  }

  /** Sequences of this job that the targets of its chunk have. */
  private async sequencesThere (): Promise<Set<number>> {
    const stands = await Promise.all(this.marks.map(async mark => {
      const { topicId, partition, offset } = mark
      const stand = await this.surroundings.targets.find(this, { topicId, partition }, offset)
      this.epochs.set(placeName(mark), stand.leaderEpoch)
      return stand
    }))
    return new Set(stands.flatMap(({ sequences }) => sequences))
  }

  /** A target that has grown since the chunk was put together has other places for its letters: they count as well. */
  private async markNew (places: readonly RedrivePlace[]): Promise<void> {
    const known = new Set(this.marks.map(placeName))
    const added = places.filter(place => !known.has(placeName(place)))
    if (added.length === 0) return
    this.marks = [...this.marks, ...await this.marksOf(added)]
    await this.store(this.job.record)
  }

  /** Which letters of a chunk go where; which are gone, and which can go nowhere any more. */
  private async sortOut (moves: readonly RedriveMove[]): Promise<{
    toMove: { move: RedriveMove, place: RedrivePlace }[], stuck: number[], missing: number, message: string,
  }> {
    const toMove: { move: RedriveMove, place: RedrivePlace }[] = []
    const stuck: number[] = []
    let missing = 0
    let message = ''
    for (const move of moves) {
      const letter = await this.letters.find(move.offset)
      if (letter === null || await this.standOf(move.offset) === 'gone') {
        missing++
        continue
      }
      const place = await this.surroundings.targets.placeOf(this.spec.targetTopicId, letter)
      if ('fault' in place) {
        stuck.push(move.offset)
        message = place.fault
      } else toMove.push({ move, place })
    }
    return { toMove, stuck, missing, message }
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
    const { redriveId, surroundings: { logger } } = this
    if (cause instanceof Superseded || this.isOver) return this.drop()
    const isFinal = cause instanceof FinalFailure
    const text = 'a redrive could not go on; it is tried again'
    if (isPassing(cause)) logger.debug({ redriveId, err: cause }, text)
    else if (!isFinal) logger.warn({ redriveId, err: cause }, text)
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
    onEnded()
  }

  private letGo (): void {
    const { redriveId, surroundings: { claims, targets } } = this
    claims.releaseAll(redriveId)
    targets.letGo(redriveId, this.marks)
  }

  /** Where each of these letters belongs; without those that are gone. */
  private async placesOf (offsets: readonly number[]): Promise<Map<number, RedrivePlace>> {
    const places = new Map<number, RedrivePlace>()
    for (const offset of offsets) {
      const letter = await this.letters.find(offset)
      if (letter === null) continue
      const place = await this.surroundings.targets.placeOf(this.spec.targetTopicId, letter)
      if ('fault' in place) throw new FinalFailure(place.fault)
      places.set(offset, place)
    }
    return places
  }

  /** @returns those for which that was possible. */
  private async keepFromConsumers (offsets: readonly number[]): Promise<number[]> {
    const { clock } = this.surroundings
    const untilMs = this.wallMs + LIMITS.redriveClaimMs
    this.claimedUntilMs = clock.monotonicMs() + LIMITS.redriveClaimMs
    const answers = await this.change(offsets, (queue, offset, done) => queue.reschedule(offset, untilMs, done))
    if (answers.includes(CHANGE_ANSWER.BUSY)) throw new Error('the dead-letter queue cannot put letters off for now')
    return offsets.filter((_offset, index) => answers[index] === CHANGE_ANSWER.OK)
  }

  /** These are for consumers again. */
  private giveBack (offsets: readonly number[]): void {
    if (offsets.length === 0) return
    const { wallMs } = this
    this.change(offsets, (queue, offset, done) => queue.reschedule(offset, wallMs, done))
      .catch(() => {}) // The claim ends by itself.
  }

  /** Changes letters in one turn of their group; the answers when they are durable. */
  private async change (offsets: readonly number[], change: Change): Promise<ChangeAnswer[]> {
    const queue = this.group().turn()
    const answers = await Promise.all(offsets.map(offset => new Promise<ChangeAnswer | null>(resolve => {
      change(queue, offset, resolve)
    })))
    return answers.map(answer => {
      if (answer === null) throw new Error('nobody can tell whether a change of the dead-letter queue was kept')
      return answer
    })
  }

  /** Facts may have to be read from disk first. */
  private async standOf (offset: number): Promise<'waiting' | 'leased' | 'gone'> {
    const { clock, deadlines } = this.surroundings
    for (let look = 0; look < LOOKS_MAX; look++) {
      const { state } = this.group().turn().explain(offset)
      if (state === 'terminal' || state === 'dead-letter-pending') return 'gone'
      if (state === 'leased') return 'leased'
      if (state !== 'unknown') return 'waiting'
      await new Promise<void>(resolve => { deadlines.add(clock.monotonicMs() + LIMITS.tickMs, resolve) })
    }
    throw new Error(`where dead letter ${offset} stands cannot be told for now`)
  }

  private group (): HostedQueueGroup {
    this.checkLeadership()
    const { queues, label } = this.partition
    const group = queues?.find('')
    if (group === undefined || group.isStopped || queues!.blockedBy !== null) {
      throw new Error(`the queue group of ${label} takes nothing for now`)
    }
    return group
  }

  private checkLeadership (): void {
    const { isOver, isStopped, partition: { label } } = this
    if (isOver || isStopped) throw new Superseded(`${label} is led by somebody else, or in another epoch`)
  }

  private get claimPlace (): string { return `${this.spec.sourceTopicId}/${this.partition.index}` }

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
