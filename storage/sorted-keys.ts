// Search in an array of keys in byte order.

/** Index of the first of `keys` that is not below `key`; their count where all are. */
export function lowerBound (keys: readonly Buffer[], key: Buffer): number {
  let low = 0
  let high = keys.length
  // Keys mostly come in order.
  if (high > 0 && Buffer.compare(keys[high - 1]!, key) < 0) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Buffer.compare(keys[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
