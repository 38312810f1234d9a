// What lies below one prefix of the control store, held in memory.
//
//   watch ──▶ apply      one change; older than what is known: passed over
//   list  ──▶ replace    all there is at one revision; what came since by watch is kept
//
// Watches may lose changes and lists may be late: whichever of the two is newer counts, key by key, so the mirror goes
// forward only, and a list from time to time is all it takes to be right again.

import type { ControlEntry } from './control-store.js'

export interface Mirrored<Value> { readonly value: Value, readonly revision: number }

export class Mirror<Value> {
  readonly prefix: string
  /** By the key without the prefix. */
  readonly entries = new Map<string, Mirrored<Value>>()
  /** The revision of the newest list. */
  listedAt = 0
  private readonly onChange: (name: string, value: Value | null) => void
  /** When keys were deleted, if that was after the newest list: an older list must not bring them back. */
  private readonly deletedAt = new Map<string, number>()

  constructor (prefix: string, onChange: (name: string, value: Value | null) => void = () => {}) {
    this.prefix = prefix
    this.onChange = onChange
  }

  get (name: string): Value | null { return this.entries.get(name)?.value ?? null }

  /** The revision of the last change of a key; 0 where it is not there. */
  revisionOf (name: string): number { return this.entries.get(name)?.revision ?? 0 }

  /** A change that somebody has made. @returns true where it was news. */
  apply ({ key, value, revision }: ControlEntry): boolean {
    const name = key.slice(this.prefix.length)
    const known = Math.max(this.entries.get(name)?.revision ?? 0, this.deletedAt.get(name) ?? 0)
    if (revision <= known || (revision <= this.listedAt && !this.entries.has(name))) return false
    if (value === null) {
      this.deletedAt.set(name, revision)
      if (!this.entries.delete(name)) return false
    } else {
      this.deletedAt.delete(name)
      this.entries.set(name, { value: value as Value, revision })
    }
    this.onChange(name, value as Value | null)
    return true
  }

  /** All that there is at a revision. @returns true where any of it was news. */
  replace (list: readonly ControlEntry[], revision: number): boolean {
    if (revision < this.listedAt) return false
    this.listedAt = revision
    const listed = new Set<string>()
    let isNews = false
    for (const entry of list) {
      const name = entry.key.slice(this.prefix.length)
      listed.add(name)
      const known = Math.max(this.entries.get(name)?.revision ?? 0, this.deletedAt.get(name) ?? 0)
      if (entry.revision <= known) continue
      this.entries.set(name, { value: entry.value as Value, revision: entry.revision })
      this.onChange(name, entry.value as Value)
      isNews = true
    }
    for (const [name, known] of this.entries) {
      if (listed.has(name) || known.revision > revision) continue
      this.entries.delete(name)
      this.onChange(name, null)
      isNews = true
    }
    for (const [name, at] of this.deletedAt) if (at <= revision) this.deletedAt.delete(name)
    return isNews
  }
}
