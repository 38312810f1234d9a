// Redrives in the control store: how far each is, and of those that have ended who started them and what came out.
//
//   /redrives/<id> → RedriveEntry

import type { ControlStore } from './control-store.js'
import type { RedriveMark } from './redrive-targets.js'

export interface RedriveEntry {
  /** What `RedriveJob` has stored, in base64. */
  readonly record: string
  /** Partitions that were asked for; none for all. */
  readonly partitions: readonly number[]
  /** Where the records of the chunk that is on its way are looked for after a crash. */
  readonly marks: readonly RedriveMark[]
}

const PREFIX = '/redrives/'

export class RedriveEntries {
  private readonly control: ControlStore

  constructor (control: ControlStore) {
    this.control = control
  }

  async load (): Promise<RedriveEntry[]> {
    const { entries } = await this.control.list(PREFIX)
    return entries.flatMap(({ value }) => isEntry(value) ? [value] : [])
  }

  /** Resolves when the entry is durable. */
  async save (redriveId: string, entry: RedriveEntry): Promise<void> {
    await this.control.commit([{ key: PREFIX + redriveId, value: entry }])
  }

  async remove (redriveId: string): Promise<void> {
    await this.control.commit([{ key: PREFIX + redriveId, value: null }])
  }
}

/** What comes from a file is not trusted. */
function isEntry (value: unknown): value is RedriveEntry {
  if (typeof value !== 'object' || value === null) return false
  const { record, partitions, marks } = value as Record<string, unknown>
  return typeof record === 'string' && Array.isArray(partitions) && partitions.every(Number.isSafeInteger) &&
    Array.isArray(marks) && marks.every(isMark)
}

function isMark (value: unknown): value is RedriveMark {
  if (typeof value !== 'object' || value === null) return false
  const { topicId, partition, offset } = value as Record<string, unknown>
  return typeof topicId === 'string' && Number.isSafeInteger(partition) && Number.isSafeInteger(offset)
}
