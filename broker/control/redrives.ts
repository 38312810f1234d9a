// The redrives of this broker, or of its cluster: those that run, and the latest that have ended, for whoever asks what
// became of them.
//
//   start ─ stored ─▶ taken up ─ runs ─┬─ done, cancelled, failed ─▶ ended ─ redrivesKept others later ─▶ forgotten
//                        ▲             └─ next partition, or another leader ─┐
//                        └───────────────────────────────────────────────────┘
//
// **Who runs a job**: the leader of the partition of the dead-letter queue that is at work. It reads letters from its
// own log, keeps consumers from them and settles them in its own queue group; only what is moved goes to other brokers.
// So a job has no owner that could be lost: where the leader fails, the next one finds the job in the control store,
// and a broker that is alone leads everything.
//
// **One at a time**: who takes a job up writes that down, with a term one higher than before; from then on nobody
// else's writes are taken, and targets refuse what comes of an earlier term as soon as they have heard of a later one.
//
// Of a partition all jobs are taken up together: each takes the letters that it has on their way before any can ask for
// more.

import assert from 'node:assert'
import { randomUUID } from 'node:crypto'
import { ERROR } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import {
  decodeRedrive, encodeRedrive, firstProgress, partitionAtWork, type RedriveProgress,
} from '../queue/redrive-record.js'
import { REDRIVE_STATE, type RedriveSpec, type RedriveStatus } from '../queue/redrive-types.js'
import { HostedRedrive, type RedriveSurroundings } from './hosted-redrive.js'
import type { RedriveClaims } from './redrive-claims.js'
import type { RedriveEntries, StoredRedrive } from './redrive-entries.js'
import type { Refusal } from './topics.js'

export interface RedrivesOptions extends RedriveSurroundings {
  readonly brokerId: number
  readonly partitions: PartitionTable
  readonly entries: RedriveEntries
  readonly claims: RedriveClaims
  /** Whether a topic is gone for good, and not only unknown here. */
  wasDeleted (topicId: string): boolean
}

/** What is known of a redrive. */
export interface KnownRedrive {
  readonly spec: RedriveSpec
  readonly status: RedriveStatus
  /** Partitions that were asked for; none for all. */
  readonly partitions: readonly number[]
  /** The partition of the dead-letter queue at work; -1 where there is none. */
  readonly partitionAtWork: number
  /** This broker runs it: the status is up to date. */
  readonly isHere: boolean
}

interface Decoded extends StoredRedrive { readonly spec: RedriveSpec, readonly progress: RedriveProgress }

export class Redrives {
  private readonly options: RedrivesOptions
  /** That run here, by id. */
  private readonly jobs = new Map<string, HostedRedrive>()
  /** Entries as they were read last: decoded once for each revision; null where they make no sense. */
  private readonly decoded = new Map<string, { readonly revision: number, readonly redrive: Decoded | null }>()
  private looking: Promise<void> | null = null
  private looksAgain = false
  private isStopped = false
  private isTimed = false

  private constructor (options: RedrivesOptions) {
    this.options = options
  }

  /** Takes up what this broker is to run. The topics must be open. */
  static async open (options: RedrivesOptions): Promise<Redrives> {
    const redrives = new Redrives(options)
    const { entries } = options
    await entries.open()
    entries.onChange = () => { void redrives.look() }
    redrives.forgetOld()
    await redrives.look()
    return redrives
  }

  /** All that are remembered, the latest first. */
  async all (): Promise<KnownRedrive[]> {
    await this.refresh()
    return this.stored().sort((a, b) => b.spec.startedMs - a.spec.startedMs).map(redrive => this.known(redrive))
  }

  async find (redriveId: string): Promise<KnownRedrive | undefined> {
    if (this.options.entries.find(redriveId) === undefined) await this.refresh()
    return this.findHere(redriveId)
  }

  /**
   * Starts a job; resolves with its id when it is durable.
   *
   * @param partitions that were asked for; none for all
   */
  async start (spec: Omit<RedriveSpec, 'redriveId'>, partitions: readonly number[]): Promise<string | Refusal> {
    const { entries, logger } = this.options
    await this.refresh()
    const running = this.stored().filter(isRunning).length
    if (running >= LIMITS.redrivesAtOnce) {
      return { error: ERROR.BUSY, message: `${running} redrives are running, as many as may; wait for one, or cancel it` }
    }
    const redriveId = randomUUID()
    const named = { ...spec, redriveId }
    const record = Buffer.from(encodeRedrive(named, firstProgress(named))).toString('base64')
    try {
      await entries.save(redriveId, { record, partitions, marks: [], brokerId: -1, term: 0, pauseMs: 0 }, 0)
    } catch (cause) {
      return notWritten(cause as Error)
    }
    const { sourceTopicId, targetTopicId, startedBy, dryRun } = spec
    logger.info({ redriveId, sourceTopicId, targetTopicId, startedBy, dryRun }, 'a redrive has started')
    return redriveId
  }

  /** Stops a job; resolves when it stands still, at once where it does. */
  async cancel (redriveId: string): Promise<KnownRedrive | Refusal> {
    const { clock, deadlines, entries } = this.options
    await this.refresh()
    const found = this.findHere(redriveId)
    if (found === undefined) return unknownRedrive(redriveId)
    if (found.status.state !== REDRIVE_STATE.running) return found
    try {
      await entries.cancel(redriveId)
    } catch (cause) {
      return notWritten(cause as Error)
    }
    void this.look()
    const deadlineMs = clock.monotonicMs() + LIMITS.redriveCancelMs
    while (clock.monotonicMs() < deadlineMs && !this.isStopped) {
      const known = this.findHere(redriveId)
      if (known === undefined) return unknownRedrive(redriveId)
      if (known.status.state !== REDRIVE_STATE.running) return known
      await new Promise<void>(resolve => { deadlines.add(clock.monotonicMs() + LIMITS.tickMs, resolve) })
    }
    const message = `redrive ${redriveId} is to stop and has not yet: ${this.findHere(redriveId)?.status.message || 'it is at work'}; it stops by itself, look again`
    return { error: ERROR.REQUEST_TIMED_OUT, message }
  }

  /** The broker stops; jobs that run go on after its next start, or at another broker. */
  stop (): void {
    this.isStopped = true
    this.options.entries.close()
    for (const job of this.jobs.values()) job.stop()
  }

  /** What is known here, without asking anybody. */
  private findHere (redriveId: string): KnownRedrive | undefined {
    const stored = this.options.entries.find(redriveId)
    const redrive = stored === undefined ? null : this.decode(stored)
    return redrive === null ? undefined : this.known(redrive)
  }

  private known ({ redriveId, entry: { partitions }, spec, progress }: Decoded): KnownRedrive {
    const job = this.jobs.get(redriveId)
    const { state, message, endedMs, examined, matched, moved } = progress
    const status = job?.status ?? { state, message, endedMs, examined, matched, moved }
    return { spec, partitions, status, partitionAtWork: partitionAtWork(spec, progress), isHere: job !== undefined }
  }

  private stored (): Decoded[] {
    const all = this.options.entries.all()
    // Other brokers remove entries as well.
    if (this.decoded.size > all.length) {
      for (const redriveId of this.decoded.keys()) {
        if (this.options.entries.find(redriveId) === undefined) this.decoded.delete(redriveId)
      }
    }
    return all.flatMap(stored => this.decode(stored) ?? [])
  }

  private decode (stored: StoredRedrive): Decoded | null {
    const { redriveId, revision, entry } = stored
    const known = this.decoded.get(redriveId)
    if (known?.revision === revision) return known.redrive
    let redrive: Decoded | null = null
    try {
      redrive = { ...stored, ...decodeRedrive(Buffer.from(entry.record, 'base64')) }
    } catch (cause) {
      this.options.logger.error({ redriveId, err: cause }, 'a redrive that was stored cannot be read; it does not go on')
    }
    this.decoded.set(redriveId, { revision, redrive })
    return redrive
  }

  /** Where the control store does not answer, what was known before has to do. */
  private async refresh (): Promise<void> {
    await this.options.entries.refresh().catch((cause: Error) => {
      this.options.logger.debug({ err: cause }, 'redrives could not be read from the control store')
    })
  }

  // Who runs what.

  /** Looks what is to be run here. Joins a look that has not begun; one under way may have missed what is new. */
  private look (): Promise<void> {
    this.looksAgain = true
    this.looking ??= this.lookAround().finally(() => {
      this.looking = null
      if (this.looksAgain && !this.isStopped) void this.look()
    })
    return this.looking
  }

  private async lookAround (): Promise<void> {
    try {
      while (this.looksAgain && !this.isStopped) {
        this.looksAgain = false
        for (const job of [...this.jobs.values()]) {
          if (job.isOver) job.drop()
          else if (this.options.entries.isCancelled(job.redriveId)) job.cancel()
        }
        if (this.stored().some(redrive => this.isDue(redrive))) await this.takeUp()
      }
    } catch (cause) {
      assert(!(cause instanceof assert.AssertionError), cause as Error)
      this.options.logger.warn({ err: cause }, 'redrives could not be taken up; it is tried again')
      this.looksAgain = false
    }
    this.lookLater()
  }

  /** Leaders move, and nobody says so. */
  private lookLater (): void {
    const { clock, deadlines } = this.options
    if (this.isTimed || this.isStopped || !this.stored().some(isRunning)) return
    this.isTimed = true
    deadlines.add(clock.monotonicMs() + LIMITS.redriveLookMs, () => {
      this.isTimed = false
      void this.look()
    })
  }

  /** True where this broker is to do something about it. */
  private isDue (redrive: Decoded): boolean {
    if (!isRunning(redrive) || this.jobs.has(redrive.redriveId)) return false
    return this.led(redrive) !== null || this.options.wasDeleted(redrive.spec.sourceTopicId)
  }

  /** The partition at work, where it is led here. A job without any is for whoever leads the first. */
  private led ({ spec, progress }: Decoded): Partition | null {
    const partition = this.options.partitions.find(spec.sourceTopicId, Math.max(0, partitionAtWork(spec, progress)))
    return partition === undefined || partition.closedBy !== null ? null : partition
  }

  private async takeUp (): Promise<void> {
    const { brokerId, entries } = this.options
    // What was known may be old: a chunk that is on its way must not be missed.
    await entries.refresh()
    const taken: { redrive: Decoded, partition: Partition }[] = []
    for (const redrive of this.stored().filter(stored => this.isDue(stored))) {
      const { redriveId, entry, revision } = redrive
      const partition = this.led(redrive)
      if (partition === null) {
        await this.endDeleted(redrive)
        continue
      }
      const mine = { ...entry, brokerId, term: entry.term + 1 }
      const saved = await entries.save(redriveId, mine, revision)
      if (saved === null) {
        // Somebody has written since: all of it is looked at again.
        this.looksAgain = true
        return
      }
      taken.push({ redrive: { ...redrive, entry: mine, revision: saved }, partition })
    }
    taken.sort((a, b) => a.redrive.spec.startedMs - b.redrive.spec.startedMs)
    for (const { redrive, partition } of taken) this.run(redrive, partition)
  }

  private run (redrive: Decoded, partition: Partition): void {
    if (this.isStopped || this.led(redrive) !== partition) return
    const { redriveId } = redrive
    const job = new HostedRedrive(this.options, redrive, partition)
    this.jobs.set(redriveId, job)
    job.onEnded = () => this.onEnded(job)
    job.onDropped = () => {
      this.jobs.delete(redriveId)
      void this.look()
    }
    job.start()
    if (this.options.entries.isCancelled(redriveId)) job.cancel()
  }

  /** Nobody leads the queue any more. */
  private async endDeleted ({ redriveId, entry, revision, spec, progress }: Decoded): Promise<void> {
    const { clock, entries, logger } = this.options
    const message = 'the dead-letter queue was deleted'
    const endedMs = Math.floor(clock.wallMs())
    const ended = { ...progress, state: REDRIVE_STATE.failed, message, endedMs, chunk: [] }
    const record = Buffer.from(encodeRedrive(spec, ended)).toString('base64')
    const saved = await entries.save(redriveId, { ...entry, record, marks: [] }, revision)
    if (saved !== null) logger.info({ redriveId, message }, 'a redrive has ended')
  }

  private onEnded (job: HostedRedrive): void {
    const { redriveId, status: { state, message, examined, matched, moved } } = job
    const outcome = Object.entries(REDRIVE_STATE).find(([, value]) => value === state)![0]
    this.options.logger.info({ redriveId, outcome, message, examined, matched, moved }, 'a redrive has ended')
    this.jobs.delete(redriveId)
    this.forgetOld()
  }

  /** Those that ended first, above the number that is kept, and what was said to those that have ended. */
  private forgetOld (): void {
    const { entries, logger } = this.options
    const failed = (cause: Error): void => {
      logger.debug({ err: cause }, 'what is left of a redrive could not be removed; it is found again later')
    }
    const ended = this.stored().filter(redrive => !isRunning(redrive))
      .sort((a, b) => a.progress.endedMs - b.progress.endedMs)
    for (const { redriveId } of ended) if (entries.isCancelled(redriveId)) entries.forgetCancel(redriveId).catch(failed)
    for (const { redriveId, revision } of ended.slice(0, -LIMITS.redrivesKept)) {
      entries.save(redriveId, null, revision).catch(failed)
    }
  }
}

function isRunning ({ progress }: Decoded): boolean { return progress.state === REDRIVE_STATE.running }

export function unknownRedrive (redriveId: string): Refusal {
  return { error: ERROR.UNKNOWN_REDRIVE, message: `there is no redrive ${redriveId.slice(0, 40)}, or it has ended long ago; list those that are known` }
}

function notWritten (cause: Error): Refusal {
  return { error: ERROR.STORAGE_UNAVAILABLE, message: `the redrive could not be written down: ${cause.message}; retry` }
}
