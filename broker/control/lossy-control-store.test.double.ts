// A control store that loses requests and answers as it is told.

import { ControlStoreError, type ControlChange, type ControlCompare } from './control-store.js'
import { LmdbControlStore } from './lmdb-control-store.js'

/** What is lost of a commit. */
export type Loss = 'answer' | 'request' | 'late' | null

/** Loses what it is told to lose, commit by commit; 'late': the request arrives after the next call. */
export class LossyControlStore extends LmdbControlStore {
  losses: Loss[] = []
  commitCount = 0
  private late: (() => Promise<unknown>) | null = null

  override async commit (
    changes: readonly ControlChange[], compares?: readonly ControlCompare[],
  ): Promise<number | null> {
    this.commitCount++
    const loss = this.losses.shift() ?? null
    const make = (): Promise<number | null> => super.commit(changes, compares)
    if (loss === 'late') this.late = make
    const outcome = loss === 'late' || loss === 'request' ? null : await make()
    if (loss !== null) throw new ControlStoreError('ambiguous', 'no answer')
    await this.arrive()
    return outcome
  }

  async arrive (): Promise<void> {
    const { late } = this
    this.late = null
    await late?.()
  }
}
