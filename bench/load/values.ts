// Values to send: letters and digits in no order, so that they are neither all alike nor all zeros, and the same in
// every run.

const LETTERS = Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_')
const VALUES = 64

/** Values of `size` bytes; a power of two of them. */
export function makeValues (size: number): Buffer[] {
  let state = 0x9e3779b9
  return Array.from({ length: VALUES }, () => {
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
