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
 * @returns how many were made. Rejects with the first ControlStoreError; what was under way may be made all the same.
 */
export async function commitSwaps (
  control: ControlStore, swaps: readonly KeySwap[], guard: readonly ControlCompare[] = [],
): Promise<number> {
  const chunks: KeySwap[][] = []
  for (let from = 0; from < swaps.length; from += SWAPS_PER_COMMIT) {
    chunks.push(swaps.slice(from, from + SWAPS_PER_COMMIT))
  }
  let made = 0
  const work = async (): Promise<void> => {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      if (await commitAll(control, chunk, guard)) made += chunk.length
      else if (chunk.length > 1) for (const swap of chunk) if (await commitAll(control, [swap], guard)) made++
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: COMMITS_AT_ONCE }, work))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return made
}

async function commitAll (
  control: ControlStore, swaps: readonly KeySwap[], guard: readonly ControlCompare[],
): Promise<boolean> {
  const compares = swaps.map(({ change: { key }, revision }) => ({ key, revision }))
  return await control.commit(swaps.map(({ change }) => change), [...guard, ...compares]) !== null
}
