// Redrives in the control store: how far each is, and of those that have ended who started them and what came out.
//
//   /redrives/<id> → RedriveEntry
//
// Each write names the revision of the one before: one that arrives late, after its answer was given up, must not put
// back an older state. Calls for one redrive follow each other.

import assert from 'node:assert'
import type { ControlStore } from './control-store.js'
import type { RedriveMark } from './redrive-targets.js'
import { swap } from './swap.js'

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
  /** Of the entries that are there, by redrive. */
  private readonly revisions = new Map<string, number>()

  constructor (control: ControlStore) {
    this.control = control
  }

  async load (): Promise<RedriveEntry[]> {
    const { entries } = await this.control.list(PREFIX)
    for (const { key, revision } of entries) this.revisions.set(key.slice(PREFIX.length), revision)
    return entries.flatMap(({ value }) => isEntry(value) ? [value] : [])
  }

  /** Resolves when the entry is durable. */
  async save (redriveId: string, entry: RedriveEntry): Promise<void> {
    await this.write(redriveId, entry)
  }

  async remove (redriveId: string): Promise<void> {
    await this.write(redriveId, null)
  }

  private async write (redriveId: string, entry: RedriveEntry | null): Promise<void> {
    const before = this.revisions.get(redriveId) ?? 0
    const text = JSON.stringify(entry)
    // Another state reads otherwise, and the same one is what we want.
    const isOurs = (value: unknown): boolean => JSON.stringify(value) === text
    const revision = await swap(this.control, PREFIX + redriveId, entry, before, isOurs)
    if (revision === null) return await this.writeOver(redriveId, entry)
    if (entry === null) this.revisions.delete(redriveId)
    else this.revisions.set(redriveId, revision)
  }

  /** An earlier write of ours was made after all, although nobody could tell then. */
  private async writeOver (redriveId: string, entry: RedriveEntry | null): Promise<void> {
    const found = await this.control.get(PREFIX + redriveId)
    const revision = found?.revision ?? 0
    assert(revision !== (this.revisions.get(redriveId) ?? 0))
    this.revisions.set(redriveId, revision)
    await this.write(redriveId, entry)
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
