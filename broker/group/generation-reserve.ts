// The generations that a group may use: a generation must never come twice, over restarts of the broker either, since
// commits of an older one have to be told from those of today. So they are set aside in blocks in the group's record:
//
//   used before            usable now                     asked for
//   ─────────────▶ current ────────────▶ durableCeiling ─────────────▶ requestedCeiling
//
// A block is asked for when half of the last one is used, so that a rebalance waits for the disk only at first, and a
// control store that is away for a while stops no rebalance.
//
// Invariants: current <= durableCeiling, unless the group has just been loaded; both only rise.

import assert from 'node:assert'

/** What outlives a restart of a group. */
export interface GroupRecord {
  /** No generation above it was ever used. */
  readonly generationCeiling: number
  /**
   * Longest session timeout of its members, in milliseconds: for so long after a restart of the broker there may be
   * members that have not come back yet and work on. 0: it had none.
   */
  readonly sessionTimeoutMs: number
}

/** Generations travel as int32. */
const GENERATION_MAX = 2 ** 31 - 1

export class GenerationReserve {
  private readonly block: number
  private generation: number
  private durableCeiling: number

  /** @param ceiling of the group's record; 0 where it has none. */
  constructor (ceiling: number, block: number) {
    assert(Number.isSafeInteger(ceiling) && ceiling >= 0 && block > 0)
    this.block = block
    this.durableCeiling = ceiling
    // A loaded group cannot know how far its block was used, so it begins above it.
    this.generation = ceiling === 0 ? 0 : ceiling + 1
  }

  get current (): number { return this.generation }

  /** May `current` be told to anybody? */
  get isDurable (): boolean { return this.generation <= this.durableCeiling }

  /** Can `next` be called? */
  get hasNext (): boolean { return this.generation < this.durableCeiling }

  /** The next generation, which is current from now on. */
  next (): number {
    assert(this.hasNext, 'a generation is used only after it has been set aside')
    return ++this.generation
  }

  /** The ceiling that should be in the record by now; the durable one where there is no need for a higher one. */
  get wantedCeiling (): number {
    if (this.durableCeiling - this.generation > this.block / 2) return this.durableCeiling
    return Math.min(this.generation + this.block, GENERATION_MAX)
  }

  onSaved (ceiling: number): void {
    this.durableCeiling = Math.max(this.durableCeiling, ceiling)
  }
}
