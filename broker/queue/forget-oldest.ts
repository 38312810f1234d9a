// Keeps a map that is filled in order small.
//
// The oldest entries go many at a time: a map remembers the places of what was deleted until it grows or shrinks, so
// that looking for its first entry after each single deletion walks over all of them.

/** Share of the bound that is left when entries had to go. */
const SHARE_KEPT = 0.9

/** Removes the oldest entries of a map that has more than `max`, and tells of each. */
export function forgetOldest<Key> (map: Map<Key, unknown>, max: number, onForgotten?: (key: Key) => void): void {
  if (map.size <= max) return
  const kept = Math.floor(max * SHARE_KEPT)
  for (const key of map.keys()) {
    if (map.size <= kept) return
    map.delete(key)
    onForgotten?.(key)
  }
}
