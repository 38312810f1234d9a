import type { OffsetRange } from './log-types.js'

/** The damaged ranges of a log: in order, apart from each other. Few, or none. */
export class DamageMap {
  private list: OffsetRange[] = []

  get ranges (): readonly OffsetRange[] {
    return this.list
  }

  /** Adds a range, joined with those it touches. False where all of it was there already. */
  add (range: OffsetRange): boolean {
    if (range.to <= range.from) return false
    if (this.list.some(known => known.from <= range.from && known.to >= range.to)) return false
    let { from, to } = range
    const apart: OffsetRange[] = []
    for (const known of this.list) {
      if (known.to < from || known.from > to) {
        apart.push(known)
      } else {
        from = Math.min(from, known.from)
        to = Math.max(to, known.to)
      }
    }
    apart.push({ from, to })
    this.list = apart.sort((a, b) => a.from - b.from)
    return true
  }

  /** The range that holds `offset`, or the next one above it. */
  atOrAbove (offset: number): OffsetRange | null {
    for (const range of this.list) if (range.to > offset) return range
    return null
  }

  /** The end of the last range that ends at or below `offset`; 0 where there is none. */
  endBelow (offset: number): number {
    let end = 0
    for (const range of this.list) if (range.to <= offset) end = range.to
    return end
  }

  /** Forgets what lies outside of `from` .. `to`; the answer is what was forgotten or cut shorter. */
  keep (from: number, to: number): OffsetRange[] {
    const gone: OffsetRange[] = []
    const kept: OffsetRange[] = []
    for (const range of this.list) {
      const cut = { from: Math.max(range.from, from), to: Math.min(range.to, to) }
      if (cut.to > cut.from && cut.from === range.from && cut.to === range.to) {
        kept.push(range)
        continue
      }
      gone.push(range)
      if (cut.to > cut.from) kept.push(cut)
    }
    this.list = kept
    return gone
  }
}
