// A redrive and all that is around it, in memory: a dead-letter queue with consumers of its own, a target that knows of
// a job no more than the highest sequence in each partition, a disk. It crashes at any point; what was asked for is
// done, half done, or not, and answers are lost.

import { RedriveJob } from './redrive-job.js'
import type { Reason } from './queue-types.js'
import type { RedriveHost, RedriveMove, RedriveRange, RedriveSpec } from './redrive-types.js'

export interface Letter {
  readonly partition: number
  readonly offset: number
  readonly lane: number
  readonly reason: Reason
  readonly diedMs: number
  readonly originOffset: number
  readonly tenant: string
  state: 'waiting' | 'leased' | 'settled'
  /** A consumer has had it. */
  wasLeased: boolean
}

interface TargetPartition { readonly letters: Letter[], highest: number }

/** How an effect goes. */
export type Outcome = 'done' | 'failed' | 'doneButFailed' | 'crashBefore' | 'crashHalfway' | 'crashAfter'

export const EVERYTHING: RedriveSpec['filter'] =
  { lane: -1, reasons: [], fromMs: -1, toMs: -1, headerName: null, headerValue: null }

const READ_MAX = 3

export class RedriveWorld implements RedriveHost {
  readonly letters: Letter[][]
  readonly target: TargetPartition[] = [0, 1].map(() => ({ letters: [], highest: 0 }))
  readonly appends: { atMs: number, count: number }[] = []
  readonly spec: RedriveSpec
  job!: RedriveJob
  monotonicMs = 0
  crashes = 0
  /** Lanes whose target is gone. */
  readonly gone = new Set<number>()
  /** The stored job. */
  record: Uint8Array | null = null
  private readonly planMax: number
  private asked: { perform: (part: number) => (() => void) } | null = null

  constructor (letters: Letter[][], spec: Partial<RedriveSpec> = {}, planMax = 1_000) {
    this.letters = letters
    this.planMax = planMax
    const ranges = letters.map((held, partition): RedriveRange =>
      ({ partition, fromOffset: 0, endOffset: held.length }))
    this.spec = {
      redriveId: 'one',
      sourceTopicId: 'dead',
      targetTopicId: '',
      ranges,
      filter: EVERYTHING,
      limit: 0,
      recordsPerSecond: 0,
      dryRun: false,
      startedBy: 'tester 127.0.0.1',
      startedMs: 1_700_000_000_000,
      ...spec,
    }
    this.begin()
  }

  get moved (): Letter[] { return this.target.flatMap(({ letters }) => letters) }

  // What the job asks for. `part` of it is done: 0 to 1.

  read (partition: number, fromOffset: number, endOffset: number): void {
    this.asked = {
      perform: () => {
        const letters = this.letters[partition]!.slice(fromOffset, endOffset).slice(0, READ_MAX)
        const nextOffset = fromOffset + letters.length
        const found = letters.filter(({ state }) => state === 'waiting')
        return () => this.job.onLetters(found.map(letter => ({
          ...letter, headerOf: name => name === 'tenant' ? letter.tenant : null,
        })), nextOffset)
      },
    }
  }

  claim (partition: number, offsets: readonly number[]): void {
    this.asked = {
      perform: () => {
        const claimed = offsets.filter(offset => this.letters[partition]![offset]!.state === 'waiting')
        return () => this.job.onClaimed(claimed)
      },
    }
  }

  save (record: Uint8Array): void {
    this.asked = {
      perform: part => {
        if (part === 1) this.record = record
        return () => this.job.onSaved()
      },
    }
  }

  append (partition: number, moves: readonly RedriveMove[]): void {
    this.asked = {
      perform: part => {
        this.appends.push({ atMs: this.monotonicMs, count: moves.length })
        const stuck: number[] = []
        for (const { sequence, offset } of moves.slice(0, Math.ceil(moves.length * part))) {
          const letter = this.letters[partition]![offset]!
          if (this.gone.has(letter.lane)) {
            stuck.push(offset)
            continue
          }
          const held = this.target[letter.lane % this.target.length]!
          if (sequence <= held.highest) continue
          held.highest = sequence
          held.letters.push(letter)
        }
        return () => this.job.onAppended(0, stuck, stuck.length === 0 ? '' : 'the target is gone')
      },
    }
  }

  settle (partition: number, offsets: readonly number[]): void {
    this.asked = {
      perform: part => {
        for (const offset of offsets.slice(0, Math.ceil(offsets.length * part))) {
          this.letters[partition]![offset]!.state = 'settled'
        }
        return () => this.job.onSettled()
      },
    }
  }

  /** Lets what was asked for go one way or the other; time passes where nothing was. */
  step (outcome: Outcome): void {
    const { asked } = this
    if (asked === null) {
      this.pass()
      return
    }
    this.asked = null
    if (outcome === 'done') asked.perform(1)()
    else if (outcome === 'failed') this.job.onFailed('no luck', false)
    else if (outcome === 'doneButFailed') {
      asked.perform(1)
      this.job.onFailed('nobody knows', false)
    } else {
      if (outcome !== 'crashBefore') asked.perform(outcome === 'crashAfter' ? 1 : 0.5)
      this.crash()
    }
  }

  /** To where the job has something to do. */
  pass (): void {
    if (this.job.isEnded) return
    this.monotonicMs = Math.max(this.monotonicMs, Math.ceil(this.job.nextDueMs))
    this.job.tick(this.monotonicMs, this.spec.startedMs + this.monotonicMs)
  }

  /** Lets everything go well until the job has ended. */
  finish (): void {
    for (let count = 0; !this.job.isEnded; count++) {
      if (count > 100_000) throw new Error('the job does not end')
      this.step('done')
    }
  }

  crash (): void {
    this.crashes++
    this.asked = null
    this.begin()
  }

  /** A consumer of the dead-letter queue takes a letter, or gives back or settles the one it has. */
  consume (partition: number, index: number, settles: boolean): void {
    const held = this.letters[partition % this.letters.length]!
    const letter = held[index % Math.max(1, held.length)]
    if (letter === undefined) return
    if (letter.state === 'leased') letter.state = settles ? 'settled' : 'waiting'
    else if (letter.state === 'waiting' && !this.isUnderWay(letter)) {
      letter.state = 'leased'
      letter.wasLeased = true
    }
  }

  /** Claimed: no consumer gets it. */
  private isUnderWay ({ partition, offset }: Letter): boolean {
    const { progress, candidates } = this.job as unknown as {
      progress: { chunk: readonly number[], range: number }, candidates: readonly number[],
    }
    const isHere = this.spec.ranges[progress.range]?.partition === partition
    return isHere && (progress.chunk.includes(offset) || candidates.includes(offset))
  }

  private begin (): void {
    this.job = this.record === null
      ? new RedriveJob(this.spec, this, this.planMax)
      : RedriveJob.restore(this.record, this, this.planMax)
    this.job.start(this.monotonicMs, this.spec.startedMs + this.monotonicMs)
  }
}

export function letterOf (partition: number, offset: number, more: Partial<Letter> = {}): Letter {
  return {
    partition,
    offset,
    lane: 0,
    reason: 5,
    diedMs: offset,
    originOffset: offset,
    tenant: 'a',
    state: 'waiting',
    wasLeased: false,
    ...more,
  }
}
