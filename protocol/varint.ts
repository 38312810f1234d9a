// Variable-length unsigned integers: seven bits a byte, lowest first, high bit set on all bytes but the last.
// Signed values go through zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, ….
//
// Values up to 2^53 - 1. The hot loops of the batch codec inline the one- and two-byte cases; these are the general
// ones.

/** Most bytes that a varint up to 2^53 - 1 takes. */
export const VARINT_BYTES_MAX = 8

/** Bytes that `value` takes. */
export function varintSize (value: number): number {
  let size = 1
  while (value >= 0x80) {
    value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 0x80)
    size++
  }
  return size
}

/** Writes `value` (0 to 2^53 - 1) at `position`; returns the position after it. */
export function writeVarint (bytes: Uint8Array, value: number, position: number): number {
  while (value >= 0x80000000) {
    bytes[position++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  while (value >= 0x80) {
    bytes[position++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[position++] = value
  return position
}

/** A place in a buffer that moves on as values are read. */
export interface ReadPosition { position: number }

/** Reads a varint at `at.position`, not past `end`, and moves on; -1 where it is cut off or above 2^53 - 1. */
export function readVarint (bytes: Uint8Array, at: ReadPosition, end: number): number {
  let value = 0
  let scale = 1
  for (let count = 0; count < VARINT_BYTES_MAX; count++) {
    if (at.position >= end) return -1
    const byte = bytes[at.position++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : -1
    scale *= 0x80
  }
  return -1
}

/** Maps a signed number (at most 2^52 - 1 either way) to an unsigned one. */
export function zigzag (value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

/** Undoes `zigzag`. */
export function unzigzag (value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
