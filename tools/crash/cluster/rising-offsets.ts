// Offsets that never go back: what is known at a time bounds from below whatever is said by somebody who was asked
// later.

import type { Report } from './stream-checker.js'

interface Known { readonly atUs: number, readonly offset: number }

export class RisingOffsets {
  private readonly what: string
  private readonly report: Report
  /** By place: rising in both. */
  private readonly known = new Map<string, Known[]>()

  /** @param what they are, for people. */
  constructor (what: string, report: Report) {
    this.what = what
    this.report = report
  }

  /** From `atUs` on it is at least `offset`. Times may be told in any order that is not far off. */
  onKnown (place: string, offset: number, atUs: number): void {
    const known = this.known.get(place)
    if (known === undefined) this.known.set(place, [{ atUs, offset }])
    else if (known.at(-1)!.offset < offset) known.push({ atUs, offset })
  }

  /** Somebody who asked at `askedUs` was told so at `atUs`. */
  onSeen (place: string, offset: number, askedUs: number, atUs: number): void {
    const least = this.leastAt(place, askedUs)
    if (offset < least) this.report(`${this.what} of ${place} was ${least}, and later ${offset}`)
    this.onKnown(place, offset, atUs)
  }

  /** What it was at that time at the least. */
  leastAt (place: string, atUs: number): number {
    return this.known.get(place)?.findLast(known => known.atUs < atUs)?.offset ?? 0
  }

  /** Nothing is above this. */
  checkBelow (endOf: (place: string) => number): void {
    for (const [place, known] of this.known) {
      const { offset } = known.at(-1)!
      const end = endOf(place)
      if (offset > end) this.report(`${this.what} of ${place} was ${offset}, and is ${end} at last`)
    }
  }
}
