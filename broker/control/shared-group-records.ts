// The records of stream groups where several brokers coordinate groups: the same rows as those of GroupRecords, changed
// by compare-and-swap. A broker that takes a group over, and the one that had it, may both believe for a moment that it
// is theirs; whoever is second to write finds out, lets go of the group and reads it anew, so that no generation comes
// twice.

import type { GroupRecord } from '../group/generation-reserve.js'
import type { ControlEntry, ControlStore } from './control-store.js'
import { GROUP_PREFIX, isGroupRecord } from './group-records.js'
import { swap } from './swap.js'

/** Another broker has written the record of the group. */
export class GroupTakenError extends Error {
  constructor (group: string) {
    super(`group ${group} is coordinated by another broker now; join again`)
    this.name = 'GroupTakenError'
  }
}

export class SharedGroupRecords {
  private readonly store: ControlStore
  private readonly makeNonce: () => string
  private readonly known = new Map<string, { readonly record: GroupRecord, readonly revision: number }>()
  private readonly writes = new Map<string, Promise<unknown>>()
  private unwatch = (): void => {}

  /** @param makeNonce a text that nobody else makes. */
  constructor (store: ControlStore, makeNonce: () => string) {
    this.store = store
    this.makeNonce = makeNonce
  }

  async load (): Promise<void> {
    const listAgain = (): void => { this.list().catch(() => {}) }
    const learn = ({ key, value, revision }: ControlEntry): void => this.learn(key, value, revision)
    const unwatch = this.store.watch(GROUP_PREFIX, learn, listAgain)
    try {
      await this.list()
    } catch (error) {
      unwatch() // to be loaded once more
      throw error
    }
    this.unwatch = unwatch
  }

  get (group: string): GroupRecord | undefined { return this.known.get(group)?.record }

  groups (): IterableIterator<string> { return this.known.keys() }

  /** Resolves when the record is durable. @throws GroupTakenError as a rejection, among others. */
  save (group: string, record: GroupRecord): Promise<void> { return this.write(group, record) }

  remove (group: string): Promise<void> { return this.write(group, null) }

  /** Resolves when no write is under way any more. */
  async atRest (): Promise<void> {
    while (this.writes.size > 0) await Promise.allSettled([...this.writes.values()])
    this.unwatch()
  }

  private write (group: string, record: GroupRecord | null): Promise<void> {
    const before = this.writes.get(group) ?? Promise.resolve()
    const done = before.catch(() => {}).then(() => this.swap(group, record))
    this.writes.set(group, done)
    const forget = (): void => { if (this.writes.get(group) === done) this.writes.delete(group) }
    return done.finally(forget)
  }

  private async swap (group: string, record: GroupRecord | null): Promise<void> {
    const key = GROUP_PREFIX + group
    const known = this.known.get(group)
    if (record === null && known === undefined) return
    const nonce = this.makeNonce()
    const value = record === null ? null : { ...record, nonce }
    const isOurs = (stored: unknown): boolean => (stored as { nonce?: string }).nonce === nonce
    const revision = await swap(this.store, key, value, known?.revision ?? 0, isOurs)
    if (revision !== null) {
      if (record === null) this.known.delete(group)
      else this.known.set(group, { record, revision })
      return
    }
    const entry = await this.store.get(key)
    if (entry === null) this.known.delete(group)
    else this.learn(key, entry.value, entry.revision)
    throw new GroupTakenError(group)
  }

  private async list (): Promise<void> {
    const { entries, revision } = await this.store.list(GROUP_PREFIX)
    const listed = new Set(entries.map(({ key }) => key.slice(GROUP_PREFIX.length)))
    for (const { key, value, revision } of entries) this.learn(key, value, revision)
    for (const [group, known] of this.known) {
      if (!listed.has(group) && known.revision <= revision) this.known.delete(group)
    }
  }

  private learn (key: string, value: unknown, revision: number): void {
    const group = key.slice(GROUP_PREFIX.length)
    if (revision <= (this.known.get(group)?.revision ?? 0)) return
    if (isGroupRecord(value)) this.known.set(group, { record: value, revision })
    else if (value === null) this.known.delete(group)
  }
}
