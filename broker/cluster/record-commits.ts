// Puts changes of many keys into the control store, a transaction for some sixty of them, so that a thousand partitions
// take a tenth of a second and not one.
//
//   changes ─ 60 a transaction, 4 at once ─▶ made
//                                         └▶ refused: one of them has changed meanwhile ─▶ each by itself
//
// What comes of a transaction without an answer nobody knows; who decides by what is there, and not by what he did,
// looks again and needs not know.

import type { ControlChange, ControlCompare, ControlStore } from '../control/control-store.js'

/** One key, to be changed where its revision is the one that is known; 0: where it is not there. */
export interface KeySwap { readonly change: ControlChange, readonly revision: number }

/** Below COMMIT_CHANGES_MAX, so that there is room for a condition that all share. */
const SWAPS_PER_COMMIT = 60
const COMMITS_AT_ONCE = 4

/**
 * @param guard has to hold for each transaction.
 * @param onMade called for each swap that was made, with its revision.
 * @returns how many were made. Rejects with the first ControlStoreError; what was under way may be made all the same.
 */
export async function commitSwaps (
  control: ControlStore, swaps: readonly KeySwap[], guard: readonly ControlCompare[] = [],
  onMade: (swap: KeySwap, revision: number) => void = () => {},
): Promise<number> {
  const chunks: KeySwap[][] = []
  for (let from = 0; from < swaps.length; from += SWAPS_PER_COMMIT) {
    chunks.push(swaps.slice(from, from + SWAPS_PER_COMMIT))
  }
  let made = 0
  const commit = async (chunk: readonly KeySwap[]): Promise<boolean> => {
    const compares = chunk.map(({ change: { key }, revision }) => ({ key, revision }))
    const revision = await control.commit(chunk.map(({ change }) => change), [...guard, ...compares])
    if (revision === null) return false
    made += chunk.length
    for (const swap of chunk) onMade(swap, revision)
    return true
  }
  const work = async (): Promise<void> => {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      if (!await commit(chunk) && chunk.length > 1) for (const swap of chunk) await commit([swap])
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: COMMITS_AT_ONCE }, work))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return made
}
