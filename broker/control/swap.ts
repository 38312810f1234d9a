// A compare-and-swap of one key that finds out what became of it where the answer was lost.
//
//   commit ── answered ──▶ made, or refused
//      └─ ambiguous ─▶ read ─┬ what is there is ours ─────────────────▶ made
//                            ├ somebody else has changed it ──────────▶ refused, for good: the comparison cannot hold
//                            └ as it was before ─▶ commit once more: the comparison lets one of the two through
//
// A value that others could have written too says nothing: what is told apart by a nonce, a version that only grows or
// an id of its own can be swapped like this.

import { ControlStoreError, type ControlEntry, type ControlStore } from './control-store.js'

const TRIES_MAX = 3

/**
 * @param value null deletes the key.
 * @param revision of the last change that the caller knows; 0 where there is to be no such key.
 * @param isOurs tells a value that this very call has written from all others; not asked about a deletion.
 * @returns the revision of the change, or null where somebody else was faster. Rejects where nobody can tell.
 */
export async function swap (
  control: ControlStore, key: string, value: unknown, revision: number, isOurs: (value: unknown) => boolean,
): Promise<number | null> {
  for (let tries = 1; ; tries++) {
    try {
      return await control.commit([{ key, value }], [{ key, revision }])
    } catch (error) {
      if (!(error instanceof ControlStoreError) || error.fault !== 'ambiguous') throw error
      const entry = await control.get(key)
      if (isMade(entry, value, isOurs)) return entry?.revision ?? revision
      if ((entry?.revision ?? 0) !== revision) return null
      if (tries === TRIES_MAX) throw error
    }
  }
}

function isMade (entry: ControlEntry | null, value: unknown, isOurs: (value: unknown) => boolean): boolean {
  if (value === null) return entry === null
  return entry !== null && isOurs(entry.value)
}
