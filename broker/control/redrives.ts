// The redrives of this broker: those that run, which it takes up again at a start, and the latest that have ended, for
// whoever asks what became of them.
//
//   start ─ stored ─▶ runs ─ done, cancelled, failed ─▶ ended ─ redrivesKept others later ─▶ forgotten

import { randomUUID } from 'node:crypto'
import { ERROR } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import { REDRIVE_STATE, type RedriveSpec } from '../queue/redrive-types.js'
import type { ControlStore } from './control-store.js'
import { HostedRedrive, type RedriveSurroundings } from './hosted-redrive.js'
import { RedriveClaims } from './redrive-claims.js'
import { RedriveEntries, type RedriveEntry } from './redrive-entries.js'
import type { Refusal } from './topics.js'

export interface RedrivesOptions extends Omit<RedriveSurroundings, 'claims' | 'entries'> {
  readonly control: ControlStore
  /** Other brokers have the same control store: nothing there is this broker's alone. */
  readonly isShared?: boolean
}

export class Redrives {
  private readonly surroundings: RedriveSurroundings
  /** By id, in the order of their starts. */
  private readonly jobs = new Map<string, HostedRedrive>()
  private readonly waiting = new Map<string, (() => void)[]>()

  private constructor (surroundings: RedriveSurroundings) {
    this.surroundings = surroundings
  }

  /** Takes up what was stored. The topics must be open. */
  static async open ({ control, isShared = false, ...options }: RedrivesOptions): Promise<Redrives> {
    const entries = new RedriveEntries(control)
    const redrives = new Redrives({ ...options, entries, claims: new RedriveClaims() })
    if (!isShared) redrives.takeUp(await entries.load())
    return redrives
  }

  /** All that are remembered, the latest first. */
  all (): HostedRedrive[] { return [...this.jobs.values()].reverse() }

  find (redriveId: string): HostedRedrive | undefined { return this.jobs.get(redriveId) }

  /**
   * Starts a job; resolves with its id when it is durable.
   *
   * @param partitions that were asked for; none for all
   */
  async start (spec: Omit<RedriveSpec, 'redriveId'>, partitions: readonly number[]): Promise<string | Refusal> {
    const running = this.all().filter(({ isEnded }) => !isEnded).length
    if (running >= LIMITS.redrivesAtOnce) {
      return { error: ERROR.BUSY, message: `${running} redrives are running, as many as may; wait for one, or cancel it` }
    }
    const redriveId = randomUUID()
    const job = HostedRedrive.of(this.surroundings, { ...spec, redriveId }, partitions)
    this.put(job)
    try {
      await job.start()
    } catch (cause) {
      job.stop()
      this.jobs.delete(redriveId)
      this.surroundings.entries.remove(redriveId).catch(() => {})
      return { error: ERROR.STORAGE_UNAVAILABLE, message: `the redrive could not be written down: ${(cause as Error).message}` }
    }
    const { sourceTopicId, targetTopicId, startedBy, dryRun } = job.spec
    this.surroundings.logger.info({ redriveId, sourceTopicId, targetTopicId, startedBy, dryRun }, 'a redrive has started')
    return redriveId
  }

  /** Stops a job; `done` runs when it stands still, at once where it does. */
  cancel (job: HostedRedrive, done: () => void): void {
    if (job.isEnded) return done()
    const { redriveId } = job.spec
    this.waiting.set(redriveId, [...this.waiting.get(redriveId) ?? [], done])
    job.cancel()
  }

  /** The broker stops; jobs that run go on after its next start. */
  stop (): void {
    for (const job of this.jobs.values()) job.stop()
  }

  private takeUp (stored: readonly RedriveEntry[]): void {
    const { logger } = this.surroundings
    const jobs: HostedRedrive[] = []
    for (const entry of stored) {
      try {
        jobs.push(HostedRedrive.restore(this.surroundings, entry))
      } catch (cause) {
        logger.error({ err: cause }, 'a redrive that was stored cannot be read; it does not go on')
      }
    }
    jobs.sort((a, b) => a.spec.startedMs - b.spec.startedMs)
    // Each takes the letters that it has on their way when it starts, before any other can ask for more.
    for (const job of jobs) {
      this.put(job)
      job.start().catch(() => {}) // The job asks again.
    }
    this.forgetOld()
  }

  private put (job: HostedRedrive): void {
    this.jobs.set(job.spec.redriveId, job)
    job.onEnded = () => this.onEnded(job)
  }

  private onEnded (job: HostedRedrive): void {
    const { redriveId } = job.spec
    const { state, message, examined, matched, moved } = job.status
    const outcome = Object.entries(REDRIVE_STATE).find(([, value]) => value === state)![0]
    this.surroundings.logger.info({ redriveId, outcome, message, examined, matched, moved }, 'a redrive has ended')
    for (const done of this.waiting.get(redriveId) ?? []) done()
    this.waiting.delete(redriveId)
    this.forgetOld()
  }

  private forgetOld (): void {
    const ended = [...this.jobs.values()].filter(({ isEnded }) => isEnded)
      .sort((a, b) => a.status.endedMs - b.status.endedMs)
    for (const { spec: { redriveId } } of ended.slice(0, -LIMITS.redrivesKept)) {
      this.jobs.delete(redriveId)
      // One that could not be removed is found at the next start, and forgotten then.
      this.surroundings.entries.remove(redriveId).catch(() => {})
    }
  }
}
