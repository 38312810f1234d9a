// Values to send: letters and digits in no order, so that they are neither all alike nor all zeros, and the same in
// every run.

const LETTERS = Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_')
const VALUES = 64
/** Bytes of values together that no codec finds again: several times as far as any looks back by default. */
const APART_BYTES = 256 * 1024

/** So many values of `size` bytes, 64 or more, a power of two, that a codec finds each of them only once. */
export function valuesApart (size: number): Buffer[] {
  return makeValues(size, Math.max(VALUES, 2 ** Math.ceil(Math.log2(APART_BYTES / size))))
}

/** Values of `size` bytes. */
export function makeValues (size: number, count = VALUES): Buffer[] {
  let state = 0x9e3779b9
  return Array.from({ length: count }, () => {
    const value = Buffer.allocUnsafeSlow(size)
    for (let at = 0; at < size; at++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      value[at] = LETTERS[state & 63]!
    }
    return value
  })
}
