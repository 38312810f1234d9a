// What a process of the run did to queues and was told about them: a line of JSON before each step and one after it,
// appended to a file of its own. A line is with the system once `write` returns, so that SIGKILL of the writer loses
// none; at most the last one is cut off.
//
//   {"atUs":…,"by":"worker-1.2","step":"settling","queue":"jobs","partition":0,"offset":17,"kind":"ack",…}
//   {"atUs":…,"by":"worker-1.2","step":"settled", "queue":"jobs","partition":0,"offset":17,"answer":"ok",…}
//
// Times are of the monotonic clock, which all processes of a machine share: the journals of a run make one history.
// A step without its second line may have been done or not.

import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'

/** A record of a queue by its place in the log. */
export interface RecordPlace { readonly queue: string, readonly partition: number, readonly offset: number }

/** The order in which leases were given: by epoch, then by sequence. */
export interface LeaseNumber { readonly epoch: number, readonly sequence: number }

/** Which move of which redrive has brought a record back. */
export interface Move { readonly redriveId: string, readonly sequence: number }

/** `visibility`: the lease lasts for that time, whatever becomes of its consumer. `session`: it ends with that. */
export type LeaseKind = 'visibility' | 'session'

/** What somebody tells a queue to do. */
export type Command =
  | { readonly action: 'pause' | 'resume' }
  /** Lets a stopped key go on; `skipKey` without the record that it is stopped at. */
  | { readonly action: 'resumeKey' | 'skipKey', readonly key: string }
  /** Leases that are given from now on last for so long. */
  | { readonly action: 'setVisibility', readonly visibilityMs: number }

export type SettleStep = 'ack' | 'nack' | 'release' | 'reject' | 'extend'

/** `refused`: nothing was changed. `unknown`: nobody knows whether it was. */
export type SettleAnswer = 'ok' | 'late' | 'already-settled' | 'refused' | 'unknown'

/** Records that ended in a partition, by cause, and where its group stands. */
export interface PartitionFigures {
  readonly floor: number
  readonly nextOffset: number
  readonly acknowledged: number
  readonly cancelled: number
  readonly expired: number
  readonly dead: number
  readonly archived: number
  readonly purged: number
}

export type Step =
  /** A record is about to be sent; its value is its own, of all that are sent. */
  | { readonly step: 'sending', readonly queue: string, readonly value: string, readonly key: string | null } & SendTerms
  | { readonly step: 'sent', readonly value: string, readonly duplicate: boolean } & RecordPlace
  /** `maybe`: it may be in the queue, now or later. */
  | { readonly step: 'notSent', readonly queue: string, readonly value: string, readonly maybe: boolean }
  | { readonly step: 'receiving', readonly queue: string, readonly call: number }
  /** Leased: by the call of that number, or given to a handler, which has begun (`call` null). */
  | {
    readonly step: 'delivered'
    readonly call: number | null
    readonly leases: LeaseKind
    readonly deliveries: number
    readonly key: string | null
    readonly value: string | null
    /** Null for a record that was sent. */
    readonly move: Move | null
  } & RecordPlace & LeaseNumber
  /** A nack says for how long at least the record is to wait; all others -1. */
  | { readonly step: 'settling', readonly kind: SettleStep, readonly delayMs: number } & RecordPlace & LeaseNumber
  | { readonly step: 'settled', readonly kind: SettleStep, readonly answer: SettleAnswer } & RecordPlace & LeaseNumber
  | { readonly step: 'cancelling' } & RecordPlace
  | { readonly step: 'cancelled', readonly answer: string } & RecordPlace
  | { readonly step: 'rescheduling', readonly delayMs: number } & RecordPlace
  | { readonly step: 'rescheduled', readonly answer: string } & RecordPlace
  /** `command` numbers the commands of a run. */
  | { readonly step: 'commanding', readonly queue: string, readonly command: number } & Command
  /** `changed`: false where there was nothing to do. */
  | { readonly step: 'commanded', readonly command: number, readonly changed: boolean }
  /** So long after it was started. */
  | { readonly step: 'brokerReady', readonly startMs: number }
  | { readonly step: 'brokerKilled' }
  /** It was told to stop, and has. */
  | { readonly step: 'brokerStopped' }
  /** A process that had been stopped for a while goes on. */
  | { readonly step: 'thawed' }
  | { readonly step: 'figures', readonly queue: string, readonly partition: number } & PartitionFigures
  /** Found in the dead-letter queue at the end; place and counts are those of the record that died. */
  | {
    readonly step: 'deadLetter'
    readonly letter: { readonly partition: number, readonly offset: number }
    /** No redrive has moved it. */
    readonly isLeft: boolean
    readonly value: string | null
    readonly reason: string
    readonly failures: number
    readonly deliveries: number
  } & RecordPlace
  /** How a redrive of the dead letters of a queue stood at the end. */
  | { readonly step: 'redrive', readonly queue: string, readonly redriveId: string, readonly state: string, readonly moved: number }
  /** After all the waiting at the end, so many records of a partition were not done with, by state. */
  | { readonly step: 'leftOver', readonly queue: string, readonly partition: number, readonly states: string }

/** What a record says beside its data. */
export interface SendTerms {
  readonly dedupId?: string
  readonly delayMs?: number
  readonly ttlMs?: number
  readonly priority?: number
}

/** A step with when it was and who made it. */
export type Told<S> = S & { readonly atUs: number, readonly by: string }

export type JournalEntry = Told<Step>

/** The monotonic clock of the machine, in microseconds. */
export function nowUs (): number { return Number(process.hrtime.bigint() / 1000n) }

/** Where a process writes down what it does. `S`: the steps that there are. */
export class Journal<S extends object = Step> implements Disposable {
  private readonly file: number
  private readonly by: string

  /** @param by who writes. */
  constructor (path: string, by: string) {
    this.file = openSync(path, 'a')
    this.by = by
  }

  /** @param atUs when it was, where that was before. */
  write (step: S, atUs = nowUs()): void {
    writeSync(this.file, `${JSON.stringify({ atUs, by: this.by, ...step })}\n`)
  }

  [Symbol.dispose] (): void { closeSync(this.file) }
}

/**
 * The entries of journals as one history, by time. A last line that was cut off is left out; a process that was killed
 * before it began has no journal.
 */
export function readJournals<S = Step> (paths: readonly string[]): Told<S>[] {
  const entries: Told<S>[] = []
  for (const path of paths) {
    if (!existsSync(path)) continue
    const text = readFileSync(path, 'utf8')
    for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
      if (line !== '') entries.push(JSON.parse(line) as Told<S>)
    }
  }
  return entries.sort((a, b) => a.atUs - b.atUs)
}
