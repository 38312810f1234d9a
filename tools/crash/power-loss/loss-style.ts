// How much of what was not synced a power cut takes, drawn anew for each.
//
//   nothing    all of it had been written back: as if only the process had died
//   all        none of it had: only what was synced is left
//   cut        changes had been written back in their order, up to some moment
//   files      some files and directories wholly, others not at all
//   pages      each page of 4 KiB as it was at some moment since its last sync, each size and directory too
//   sectors    the same by sectors of 512 bytes: writes are torn
//
// A moment is the number of a change: whatever has a smaller number had been made by then.

import type { SeededRandom } from '../seeded-random.js'

export const LOSS_STYLES = ['nothing', 'all', 'cut', 'files', 'pages', 'sectors'] as const
export type LossStyle = typeof LOSS_STYLES[number]

const SECTOR_BYTES = 512
const PAGE_BYTES = 4096

export class LossChoice {
  readonly style: LossStyle
  /** What reaches the disk at once or not at all, in bytes. */
  readonly unitBytes: number
  private readonly random: SeededRandom
  private readonly cutAt: number
  private keepsFile = false

  /** With `cut` nothing is left of what came from the change `cutAt` on. */
  constructor (style: LossStyle, cutAt: number, random: SeededRandom) {
    this.style = style
    this.unitBytes = style === 'sectors' ? SECTOR_BYTES : PAGE_BYTES
    this.random = random
    this.cutAt = cutAt
  }

  /** To be called before the first `pick` for each file and each directory. */
  beginFile (): void { this.keepsFile = this.random.chance(0.5) }

  /** The moment that a part of the disk is left at: one of `moments`, which are in order and not empty. */
  pick (moments: readonly number[]): number {
    switch (this.style) {
      case 'nothing': return moments.at(-1)!
      case 'all': return moments[0]!
      case 'cut': return moments.findLast(moment => moment <= this.cutAt) ?? moments[0]!
      case 'files': return moments.at(this.keepsFile ? -1 : 0)!
      case 'pages':
      case 'sectors': return this.random.pick(moments)
    }
  }
}
