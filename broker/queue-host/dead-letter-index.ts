// Which dead letters a partition of a dead-letter queue holds that their sources may ask for again.
//
// A letter is known from its append until its source has written down, durably, that it is there. What was appended
// before a restart, or by an earlier leader, is found again in the log: a letter's timestamp is the time of the death,
// which its source knows, so the log need only be read from there on.
//
//   log:  ……………│ known by reading (from a death on, when somebody asks) │ known since the start ……▶
//
// Invariant: nothing below a letter that was asked for here is removed from the log before it is forgotten
// (`minOffset`), or has not been asked for in ten minutes: then its source has failed over, and knows of it, or will
// ask in another epoch.

import { DEAD_LETTER_HEADER, RecordReader, decodeDeadLetterNote } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'

/** Which record of which queue group died. */
export interface DeathName {
  readonly topicId: string
  readonly partition: number
  readonly group: string
  readonly offset: number
}

/** The partition that holds the letters. */
interface LetterPartition {
  readonly label: string
  readonly log: PartitionLog
  wallMs (): number
}

/** Sources ask again after half a minute at the latest. */
const ASKED_MS = 10 * 60_000
/** How often it is looked for those that are not asked for any more, in milliseconds. */
const LOOK_MS = 10_000

export class DeadLetterIndex {
  private readonly partition: LetterPartition
  private readonly known = new Map<string, number>()
  /** When letters were asked for here, those of long ago first. */
  private readonly askedMs = new Map<string, number>()
  /** Their lowest offset; null where it has to be looked for. */
  private lowest: number | null = Infinity
  private lowestAtMs = 0
  /** Letters of deaths at this time or later are known. */
  private readFromMs = Infinity
  private reading: Promise<void> = Promise.resolve()

  constructor (partition: LetterPartition) {
    this.partition = partition
  }

  /** Where the letter is, or -1 where it is not known. */
  offsetOf (name: DeathName): number { return this.known.get(keyOf(name)) ?? -1 }

  /** A letter was appended at `offset`. */
  add (name: DeathName, offset: number): void {
    this.known.set(keyOf(name), offset)
    this.ask(name)
  }

  /** A letter that is known is asked for. @returns where it is. */
  ask (name: DeathName): number {
    const key = keyOf(name)
    const offset = this.known.get(key)!
    this.askedMs.delete(key)
    this.askedMs.set(key, this.partition.wallMs())
    if (this.lowest !== null) this.lowest = Math.min(this.lowest, offset)
    return offset
  }

  forget (name: DeathName): void {
    const key = keyOf(name)
    if (this.askedMs.delete(key) && this.known.get(key) === this.lowest) this.lowest = null
    this.known.delete(key)
  }

  /** The lowest offset of a letter that has to stay; Infinity where there is none. */
  get minOffset (): number {
    if (this.askedMs.size === 0) return Infinity
    const nowMs = this.partition.wallMs()
    if (this.lowest === null || nowMs - this.lowestAtMs > LOOK_MS) {
      this.lowest = this.lowestSince(nowMs - ASKED_MS)
      this.lowestAtMs = nowMs
    }
    return this.lowest
  }

  private lowestSince (fromMs: number): number {
    let lowest = Infinity
    for (const [key, askedMs] of this.askedMs) {
      if (askedMs < fromMs) this.askedMs.delete(key)
      else lowest = Math.min(lowest, this.known.get(key)!)
    }
    return lowest
  }

  /** Resolves when all letters of deaths at `diedMs` or later are known that `isAsked` says may be asked for. */
  readFrom (diedMs: number, isAsked: (name: DeathName) => boolean): Promise<void> {
    this.reading = this.reading.catch(() => {}).then(async () => {
      if (diedMs >= this.readFromMs) return
      await this.read(diedMs, isAsked)
      this.readFromMs = diedMs
    })
    return this.reading
  }

  private async read (diedMs: number, isAsked: (name: DeathName) => boolean): Promise<void> {
    const { log } = this.partition
    const from = await new Promise<number>((resolve, reject) => {
      log.findOffsetByTime(diedMs, (error, found) => {
        if (error !== null) reject(new Error(`looking for dead letters in ${this.partition.label} failed: ${error.kind}`))
        else resolve(found?.offset ?? log.nextOffset)
      })
    })
    const reader = new RecordReader()
    await log.replay(from, batch => {
      try {
        reader.open(batch)
        while (reader.next()) this.take(reader, isAsked)
      } catch {
        // Not one of ours: users may send anything to this queue.
      }
    })
  }

  private take (reader: RecordReader, isAsked: (name: DeathName) => boolean): void {
    const value = reader.headers().findLast(({ name }) => name === DEAD_LETTER_HEADER)?.value ?? null
    const note = decodeDeadLetterNote(value)
    if (note !== null && isAsked(note)) this.known.set(keyOf(note), reader.offset)
  }
}

function keyOf ({ topicId, partition, group, offset }: DeathName): string {
  return `${topicId}/${partition}/${offset}/${group}`
}
