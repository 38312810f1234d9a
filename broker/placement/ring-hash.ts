// The hash of the ring: the same at every broker and in every version, since all of them have to propose the same.
//
// Two lanes of FNV-1a over UTF-16 code units, each finished by two rounds of multiply and shift so that texts that
// differ in their last digit land far apart; together 53 bits, which a number holds exactly.

const FNV_PRIME = 0x01000193

/** @returns an integer, 0 to 2^53 - 1. */
export function ringHash (text: string): number {
  const high = lane(text, 0x811c9dc5)
  const low = lane(text, 0x2f0b4c47)
  return (high & 0x1fffff) * 2 ** 32 + low
}

function lane (text: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME)
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 16)) >>> 0
}
