// Which leader epoch wrote which part of a log: what two replicas compare to find where they went apart.
//
//    epoch     3        5             9
//    offsets   [0 .. 40)[40 ..... 120)[120 .. log end)

import assert from 'node:assert'
import type { EpochStart } from './log-types.js'

export class EpochHistory {
  private list: EpochStart[]

  constructor (starts: readonly EpochStart[] = []) {
    this.list = [...starts].sort((a, b) => a.epoch - b.epoch)
  }

  get starts (): readonly EpochStart[] {
    return this.list
  }

  /** The newest epoch; 0 where there is none. */
  get lastEpoch (): number {
    return this.list[this.list.length - 1]?.epoch ?? 0
  }

  /** Notes that `epoch` writes from `startOffset` on; the answer is its entry where it is a new one. */
  begin (epoch: number, startOffset: number): EpochStart | null {
    const last = this.list[this.list.length - 1]
    if (last !== undefined && last.epoch === epoch) return null
    assert(last === undefined || epoch > last.epoch, `epoch ${epoch} after ${last?.epoch}`)
    const start = { epoch, startOffset }
    this.list.push(start)
    return start
  }

  /**
   * The newest epoch at or below `epoch` and the offset where it ends, which is where the next one begins or
   * `logEndOffset`. `epoch: -1` where all known ones are newer: then the end is where the oldest begins.
   */
  endOffset (epoch: number, logEndOffset: number): { epoch: number, endOffset: number } {
    let index = this.list.length - 1
    while (index >= 0 && this.list[index]!.epoch > epoch) index--
    const endOffset = this.list[index + 1]?.startOffset ?? logEndOffset
    return { epoch: this.list[index]?.epoch ?? -1, endOffset }
  }

  /** Forgets what begins at or above `offset`; the answer is what was forgotten. */
  truncateTo (offset: number): EpochStart[] {
    const gone = this.list.filter(start => start.startOffset >= offset)
    if (gone.length > 0) this.list = this.list.filter(start => start.startOffset < offset)
    return gone
  }

  /** Forgets the epochs that end at or below `offset`, but never the last; the answer is what was forgotten. */
  trimTo (offset: number): EpochStart[] {
    let count = 0
    while (count + 1 < this.list.length && this.list[count + 1]!.startOffset <= offset) count++
    return this.list.splice(0, count)
  }
}
