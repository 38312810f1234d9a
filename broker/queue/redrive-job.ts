// A redrive: moves dead letters back to where they came from, or to another queue, in their original order, and each
// once, whatever stops in between.
//
//            ┌────────────────────────── next window, next range ──────────────────────────┐
//            ▼                                                                             │
//   start ─▶ read … ─▶ plan ─▶ claim ─▶ save ─▶ append ─▶ settle ─▶ (rate) ─▶ claim … ─▶ plan empty ─▶ save ─▶ ended
//                                        │                  │
//                                        └ the chunk: which letters, under which sequences
//
// **Once.** Before a chunk is appended it is stored which letters it holds. After a crash the job asks for the same
// chunk again, under the same sequences, and the target passes over what it has. Then the letters are made terminal; so
// whoever looks for letters after a crash finds only those that were not moved. Where no chunk was stored, nothing was
// moved, and the window is read anew.
//
// **Order.** A window is up to `PLAN_MAX` letters that match, sorted by the offset that each had where it died: later
// windows hold later deaths. Letters that die while the job runs, of moved records too, are not looked at.
//
// **Claims.** A letter that a consumer of the dead-letter queue has leased is left to that consumer. A claim keeps the
// others from consumers while a chunk is on its way. It lapses by itself where the job stands still for longer; then a
// consumer may see a letter that is also moved: never none.
//
// The job is synchronous like the group: events in, one effect out at a time, `tick` for time. Anything that fails is
// asked for again, 100 ms to 30 s later.

import assert from 'node:assert'
import {
  decodeRedrive, encodeRedrive, firstProgress, partitionAtWork, type RedriveProgress,
} from './redrive-record.js'
import {
  REDRIVE_STATE, isMatch, type RedriveHost, type RedriveLetter, type RedriveSpec, type RedriveState, type RedriveStatus,
} from './redrive-types.js'

const CHUNK_MAX = 500
const PLAN_MAX = 1_000_000
const RETRY_MS = 100
const RETRY_MS_MAX = 30_000

/** What the job waits for. */
type Phase = 'new' | 'reading' | 'claiming' | 'saving' | 'appending' | 'settling' | 'pausing' | 'ending' | 'ended'

interface Planned { readonly originOffset: number, readonly offset: number }

export class RedriveJob {
  readonly spec: RedriveSpec
  private readonly host: RedriveHost
  private readonly progress: RedriveProgress
  private readonly planMax: number
  private phase: Phase = 'new'
  private nowMs = 0
  private wallMs = 0
  /** Letters of the window that are still to be moved, the next one last. */
  private plan: Planned[] = []
  private hasPlan = false
  private readOffset = 0
  /** Counted in this window so far; part of the progress when all of it was looked at. */
  private examined = 0
  private candidates: readonly number[] = []
  private failures = 0
  private failure = ''
  private retryAtMs = Infinity
  /** The rate allows the next chunk at this monotonic time. */
  private nextChunkMs = 0
  /** Set where the job is to end when its chunk is moved. */
  private outcome: { state: RedriveState, message: string } | null = null

  /** @param planMax letters of a window, for tests */
  constructor (spec: RedriveSpec, host: RedriveHost, planMax = PLAN_MAX) {
    this.spec = spec
    this.host = host
    this.planMax = planMax
    this.progress = firstProgress(spec)
  }

  /**
   * A job as it was stored.
   *
   * @throws QueueStateFault where the record is damaged or of an unknown version
   */
  static restore (record: Uint8Array, host: RedriveHost, planMax = PLAN_MAX): RedriveJob {
    const { spec, progress } = decodeRedrive(record)
    const job = new RedriveJob(spec, host, planMax)
    Object.assign(job.progress, progress)
    return job
  }

  get status (): RedriveStatus {
    const { state, message, endedMs, examined, matched, moved } = this.progress
    return { state, message, endedMs, examined: examined + this.examined, matched, moved }
  }

  /** Letters that are on their way; none while there is no chunk. */
  get chunk (): readonly number[] { return this.progress.chunk }

  /** What is to be stored now; no chunk is on its way but one that is stored. */
  get record (): Uint8Array { return encodeRedrive(this.spec, this.progress) }

  /** How long the rate holds up the next chunk, in milliseconds. */
  get pauseMs (): number { return Math.max(0, this.nextChunkMs - this.nowMs) }

  /** Why it could not go on, where it tries again later; empty otherwise. */
  get waitsFor (): string { return this.retryAtMs === Infinity ? '' : this.failure }

  /** It has ended, and that is stored. */
  get isEnded (): boolean { return this.phase === 'ended' }

  /** Monotonic time of the next `tick` that is needed, or Infinity. */
  get nextDueMs (): number {
    return Math.min(this.retryAtMs, this.phase === 'pausing' ? this.nextChunkMs : Infinity)
  }

  /** Begins, or goes on after a restart. @param pauseMs how long its rate has it wait before the next chunk */
  start (monotonicMs: number, wallMs: number, pauseMs = 0): void {
    assert(this.phase === 'new', 'a job starts once')
    this.nowMs = monotonicMs
    this.nextChunkMs = monotonicMs + pauseMs
    this.wallMs = wallMs
    if (this.progress.state !== REDRIVE_STATE.running) this.phase = 'ended'
    else if (this.progress.chunk.length > 0) this.ask('appending')
    // The first thing is to be known: whoever was told of the job finds it after a restart.
    else this.ask('saving')
  }

  tick (monotonicMs: number, wallMs: number): void {
    this.nowMs = Math.max(this.nowMs, monotonicMs)
    this.wallMs = wallMs
    if (this.retryAtMs <= this.nowMs) {
      this.retryAtMs = Infinity
      this.ask(this.phase)
    } else if (this.phase === 'pausing' && this.nextChunkMs <= this.nowMs) this.nextChunk()
  }

  /** Stops the job; what it has moved stays moved. `isEnded` follows. */
  cancel (): void {
    this.outcome ??= { state: REDRIVE_STATE.cancelled, message: '' }
    const isIdle = this.phase === 'pausing' || this.phase === 'reading' || this.phase === 'claiming'
    if (isIdle) this.end()
  }

  /** @param nextOffset everything below was looked at; above the offset asked for */
  onLetters (letters: readonly RedriveLetter[], nextOffset: number): void {
    if (!this.answered('reading')) return
    assert(nextOffset > this.readOffset, 'reading goes on')
    const { progress, spec } = this
    for (const letter of letters) {
      if (!progress.isPlanned) this.examined++
      if (!isMatch(spec.filter, letter)) continue
      if (!progress.isPlanned) progress.matched++
      if (!spec.dryRun) this.plan.push({ originOffset: letter.originOffset, offset: letter.offset })
      if (!this.isFull()) continue
      // What lies behind is for the next window.
      nextOffset = letter.offset + 1
      break
    }
    this.readOffset = nextOffset
    if (this.readOffset < this.readEnd() && !this.isFull()) this.ask('reading')
    else this.onPlanned()
  }

  onClaimed (offsets: readonly number[]): void {
    if (!this.answered('claiming')) return
    if (offsets.length === 0) return this.nextChunk()
    this.progress.chunk = offsets
    this.ask('saving')
  }

  onSaved (): void {
    if (this.answered('ending')) {
      this.phase = 'ended'
      return
    }
    if (!this.answered('saving')) return
    if (this.progress.chunk.length > 0) this.ask('appending')
    else if (this.outcome !== null) this.end()
    else this.read(this.progress.windowFrom)
  }

  /**
   * @param missing how many of the letters were gone from the dead-letter queue
   * @param stuck those that cannot be moved, ever: they stay, and the job fails with `message` once the others are
   *   settled
   */
  onAppended (missing = 0, stuck: readonly number[] = [], message = ''): void {
    if (!this.answered('appending')) return
    const { recordsPerSecond } = this.spec
    if (stuck.length > 0) {
      this.progress.chunk = this.progress.chunk.filter(offset => !stuck.includes(offset))
      this.outcome ??= { state: REDRIVE_STATE.failed, message }
    }
    const { chunk } = this.progress
    this.progress.moved += chunk.length - missing
    if (recordsPerSecond > 0) {
      this.nextChunkMs = Math.max(this.nextChunkMs, this.nowMs) + chunk.length * 1_000 / recordsPerSecond
    }
    this.ask('settling')
  }

  onSettled (): void {
    if (!this.answered('settling')) return
    this.progress.sequence += this.progress.chunk.length
    this.progress.chunk = []
    // After a restart the rest of the window is read again; what was moved is not found any more.
    if (this.outcome !== null) this.end()
    else if (this.hasPlan) this.nextChunk()
    else this.read(this.progress.windowFrom)
  }

  /** What was asked for failed: it is asked for again, or the job fails where that is of no use. */
  onFailed (message: string, isFinal: boolean): void {
    if (this.phase === 'new' || this.phase === 'ended' || this.retryAtMs !== Infinity) return
    if (isFinal && this.phase !== 'ending') {
      this.outcome = { state: REDRIVE_STATE.failed, message }
      return this.end()
    }
    this.failure = message
    this.retryAtMs = this.nowMs + Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(this.failures++, 20))
  }

  /** True where the answer is to what was asked for. */
  private answered (phase: Phase): boolean {
    if (this.phase !== phase || this.retryAtMs !== Infinity) return false
    this.failures = 0
    return true
  }

  /** Enters a phase and asks for its effect. */
  private ask (phase: Phase): void {
    const { host, progress, spec } = this
    this.phase = phase
    const partition = partitionAtWork(spec, progress)
    switch (phase) {
      case 'reading': return host.read(partition, this.readOffset, this.readEnd())
      case 'claiming': return host.claim(partition, this.candidates)
      case 'saving':
      case 'ending': return host.save(this.record)
      case 'appending': return host.append(partition, progress.chunk.map((offset, index) =>
        ({ sequence: progress.sequence + index + 1, offset })))
      case 'settling': return host.settle(partition, progress.chunk)
      default: assert(false, `nothing is asked for in phase ${phase}`)
    }
  }

  private read (fromOffset: number): void {
    this.readOffset = fromOffset
    this.plan = []
    this.hasPlan = false
    this.examined = 0
    if (this.readOffset < this.readEnd()) this.ask('reading')
    else this.onPlanned()
  }

  /** Where this window ends at the latest. */
  private readEnd (): number {
    const { isPlanned, windowEnd, range } = this.progress
    return isPlanned ? windowEnd : this.spec.ranges[range]?.endOffset ?? 0
  }

  /** No more letters are wanted in this window; one that is read again holds what it held, or less. */
  private isFull (): boolean {
    const { limit, dryRun } = this.spec
    const { moved, matched, isPlanned } = this.progress
    if (limit > 0 && (dryRun ? matched : moved + this.plan.length) >= limit) return true
    return !isPlanned && this.plan.length >= this.planMax
  }

  private onPlanned (): void {
    const { progress } = this
    if (!progress.isPlanned) {
      progress.examined += this.examined
      this.examined = 0
      progress.isPlanned = true
      progress.windowEnd = this.readOffset
    }
    this.hasPlan = true
    this.plan.sort((a, b) => b.originOffset - a.originOffset || b.offset - a.offset)
    this.nextChunk()
  }

  private nextChunk (): void {
    const { spec } = this
    if (this.outcome !== null) return this.end()
    if (this.plan.length === 0) return this.nextWindow()
    if (spec.recordsPerSecond > 0 && this.nextChunkMs > this.nowMs) {
      this.phase = 'pausing'
      return
    }
    const count = spec.recordsPerSecond === 0 ? CHUNK_MAX : Math.min(CHUNK_MAX, Math.ceil(spec.recordsPerSecond / 10))
    this.candidates = this.plan.splice(-count).reverse().map(({ offset }) => offset)
    this.ask('claiming')
  }

  private nextWindow (): void {
    const { progress, spec } = this
    if (this.isFull()) return this.end()
    progress.isPlanned = false
    progress.windowFrom = progress.windowEnd
    if (progress.windowFrom >= (spec.ranges[progress.range]?.endOffset ?? 0)) {
      progress.range++
      const next = spec.ranges[progress.range]
      if (next === undefined) return this.end()
      progress.windowFrom = next.fromOffset
    }
    this.read(progress.windowFrom)
  }

  private end (): void {
    this.retryAtMs = Infinity
    const { state, message } = this.outcome ?? { state: REDRIVE_STATE.done, message: '' }
    this.progress.examined += this.examined
    this.examined = 0
    Object.assign(this.progress, { state, message, endedMs: this.wallMs, chunk: [] })
    this.ask('ending')
  }
}
