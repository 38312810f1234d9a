// Redrives in the control store: how far each is, and of those that have ended who started them and what came out.
//
//   /redrives/<id>         → RedriveEntry
//   /redrive-cancels/<id>  → somebody wants it to stop
//
// Each write names the revision of the one before: one that arrives late, after its answer was given up, must not put
// back an older state, nor must a broker that runs a job no more. Watches may lose changes: all is listed now and then.

import type { ControlStore } from './control-store.js'
import { Mirror } from './mirror.js'
import type { RedriveMark } from './redrive-targets.js'
import { swap } from './swap.js'

export interface RedriveEntry {
  /** What `RedriveJob` has stored, in base64. */
  readonly record: string
  /** Partitions that were asked for; none for all. */
  readonly partitions: readonly number[]
  /** Where the records of the chunk that is on its way are looked for after a crash. */
  readonly marks: readonly RedriveMark[]
  /** Who has taken it up last, and how many have; -1 and 0 before the first. */
  readonly brokerId: number
  readonly term: number
  /** How long its rate had it wait when this was written, in milliseconds. */
  readonly pauseMs: number
}

export interface StoredRedrive { readonly redriveId: string, readonly entry: RedriveEntry, readonly revision: number }

const PREFIX = '/redrives/'
const CANCEL_PREFIX = '/redrive-cancels/'

export class RedriveEntries {
  /** After anything has changed. */
  onChange: () => void = () => {}
  private readonly control: ControlStore
  private readonly entries: Mirror<unknown>
  private readonly cancels: Mirror<unknown>
  private unwatch: (() => void)[] = []

  constructor (control: ControlStore) {
    this.control = control
    this.entries = new Mirror(PREFIX, () => this.onChange())
    this.cancels = new Mirror(CANCEL_PREFIX, () => this.onChange())
  }

  /** Begins to watch and reads everything once. Rejects where the control store cannot be reached. */
  async open (): Promise<void> {
    for (const mirror of [this.entries, this.cancels]) {
      this.unwatch.push(this.control.watch(mirror.prefix, entry => { mirror.apply(entry) }, () => {
        this.list(mirror).catch(() => {}) // it is asked for again
      }))
    }
    try {
      await this.refresh()
    } catch (error) {
      this.close()
      throw error
    }
  }

  close (): void {
    for (const end of this.unwatch) end()
    this.onChange = () => {}
  }

  /** Reads everything anew: after it, whatever had been answered before the call is known. */
  async refresh (): Promise<void> {
    await Promise.all([this.list(this.entries), this.list(this.cancels)])
  }

  /** All that are known, in no order. */
  all (): StoredRedrive[] {
    return [...this.entries.entries].flatMap(([redriveId, { value, revision }]) =>
      isEntry(value) ? [{ redriveId, entry: value, revision }] : [])
  }

  find (redriveId: string): StoredRedrive | undefined {
    const found = this.entries.entries.get(redriveId)
    return found === undefined || !isEntry(found.value)
      ? undefined
      : { redriveId, entry: found.value, revision: found.revision }
  }

  /** Somebody wants it to stop. */
  isCancelled (redriveId: string): boolean { return this.cancels.entries.has(redriveId) }

  /** Says to whoever runs a redrive that it is to stop. Resolves when that is durable. */
  async cancel (redriveId: string): Promise<void> {
    const key = CANCEL_PREFIX + redriveId
    const value = true
    const revision = await swap(this.control, key, value, this.cancels.revisionOf(redriveId), () => true)
    // Somebody else was faster.
    if (revision !== null) this.cancels.apply({ key, value, revision })
  }

  /** Nobody runs it any more: what was said of it goes. Where that fails it is found, and removed, later. */
  async forgetCancel (redriveId: string): Promise<void> {
    await swap(this.control, CANCEL_PREFIX + redriveId, null, this.cancels.revisionOf(redriveId), () => false)
  }

  /**
   * Puts an entry in the place of that of a revision; 0 where there is to be none. Resolves when it is durable, with
   * its revision; with null where somebody else has written meanwhile, or an earlier write was made after all.
   */
  async save (redriveId: string, entry: RedriveEntry | null, revision: number): Promise<number | null> {
    const key = PREFIX + redriveId
    const text = JSON.stringify(entry)
    // Another state reads otherwise, and the same one is what we want.
    const isOurs = (value: unknown): boolean => JSON.stringify(value) === text
    const saved = await swap(this.control, key, entry, revision, isOurs)
    if (saved !== null) this.entries.apply({ key, value: entry, revision: saved })
    return saved
  }

  private async list (mirror: Mirror<unknown>): Promise<void> {
    const { entries, revision } = await this.control.list(mirror.prefix)
    mirror.replace(entries, revision)
  }
}

/** What comes from a file is not trusted. */
function isEntry (value: unknown): value is RedriveEntry {
  if (typeof value !== 'object' || value === null) return false
  const { record, partitions, marks, brokerId, term, pauseMs } = value as Record<string, unknown>
  return typeof record === 'string' && Array.isArray(partitions) && partitions.every(Number.isSafeInteger) &&
    Array.isArray(marks) && marks.every(isMark) && Number.isSafeInteger(brokerId) && Number.isSafeInteger(term) &&
    typeof pauseMs === 'number' && pauseMs >= 0
}

function isMark (value: unknown): value is RedriveMark {
  if (typeof value !== 'object' || value === null) return false
  const { topicId, partition, offset } = value as Record<string, unknown>
  return typeof topicId === 'string' && Number.isSafeInteger(partition) && Number.isSafeInteger(offset)
}
