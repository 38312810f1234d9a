// Letters become records again: each as it was before it died, with a note of its move in the place of that of its
// death. One batch after the other for each place; those of a place are appended in order.

import {
  DEAD_LETTER_HEADER, REDRIVE_HEADER, RecordBatchBuilder, RecordExtrasBuilder, TIMESTAMP_MAX, encodeRedriveNote, laneOf,
  recordBytesMax, type RecordHeader,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { StoredLetter } from './redrive-letters.js'
import { placeName, type RedrivePlace } from './redrive-targets.js'

interface Building {
  readonly place: RedrivePlace
  readonly records: RecordBatchBuilder
  readonly extras: RecordExtrasBuilder
}

export class RedriveBatches {
  private readonly redriveId: string
  private readonly appendTo: (place: RedrivePlace, batch: Buffer) => Promise<void>
  private readonly building = new Map<string, Building>()

  /** @param appendTo appends a batch; resolves when it is committed. */
  constructor (redriveId: string, appendTo: (place: RedrivePlace, batch: Buffer) => Promise<void>) {
    this.redriveId = redriveId
    this.appendTo = appendTo
  }

  /** Adds a letter; appends what was gathered for its place before where that is enough for a batch. */
  async add (place: RedrivePlace, letter: StoredLetter, sequence: number): Promise<void> {
    const name = placeName(place)
    let building = this.building.get(name)
    if (building === undefined) {
      building = { place, records: new RecordBatchBuilder(), extras: new RecordExtrasBuilder() }
      this.building.set(name, building)
    }
    const { records, extras } = building
    const { key, value, note: { timestamp }, timestampMs } = letter
    const headers = this.headersOf(letter, sequence)
    if (records.recordCount > 0 && records.size + recordBytesMax(key, value, headers) > LIMITS.redriveBatchBytes) {
      await this.append(building)
    }
    // A note is what whoever wrote it says.
    const isTime = timestamp >= 0 && timestamp <= TIMESTAMP_MAX
    records.append(key, value, isTime ? timestamp : timestampMs, headers)
    extras.append(key === null ? undefined : { lane: laneOf(key) })
  }

  /** Resolves when all of it is committed. */
  async finish (): Promise<void> {
    const left = [...this.building.values()].filter(({ records }) => records.recordCount > 0)
    const outcomes = await Promise.allSettled(left.map(building => this.append(building)))
    const failure = outcomes.find(outcome => outcome.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  private append ({ place, records, extras }: Building): Promise<void> {
    const bytes = extras.build()
    return this.appendTo(place, records.build(bytes === undefined ? {} : { extras: bytes }))
  }

  private headersOf ({ headers }: StoredLetter, sequence: number): RecordHeader[] {
    const at = headers.findLastIndex(({ name }) => name === DEAD_LETTER_HEADER)
    const note = { name: REDRIVE_HEADER, value: encodeRedriveNote({ redriveId: this.redriveId, sequence }) }
    return headers.map((header, index) => index === at ? note : header)
  }
}
