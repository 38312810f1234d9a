// The records that the tests write. All of a record follows from who wrote it and which of theirs it is, so that a
// history needs two numbers to know every byte of it.
//
//   value   p<producer>/<sequence>/ and then filler: mostly up to 200 bytes, at times 4 KiB, seldom 48 KiB
//   key     k<number> for producers that use keys, else null

/** A record as one number, for arrays: 21 bits of producer, 32 of sequence. */
export type RecordId = number

const SEQUENCES = 2 ** 32

export function recordIdOf (producer: number, sequence: number): RecordId { return producer * SEQUENCES + sequence }

export function producerOf (id: RecordId): number { return Math.floor(id / SEQUENCES) }

export function sequenceOf (id: RecordId): number { return id % SEQUENCES }

export function describeRecord (id: RecordId): string { return `record ${sequenceOf(id)} of producer ${producerOf(id)}` }

const FILLER = 'The quick brown fox jumps over the lazy dog; Zwölf Boxkämpfer jagen Viktor. 0123456789 '.repeat(700)

export function recordValue (producer: number, sequence: number): string {
  const drawn = mix(producer, sequence)
  const shape = drawn % 1000
  const size = shape < 3 ? 48 * 1024 : shape < 40 ? 4096 : (drawn >>> 10) % 200
  const start = (drawn >>> 5) % 90
  return `p${producer}/${sequence}/${FILLER.slice(start, start + size)}`
}

export function recordKey (producer: number, sequence: number, keyed: boolean): string | null {
  return keyed ? `k${mix(sequence, producer) % 64}` : null
}

/** Who wrote a record; null where the value is none of these. */
export function parseRecordValue (value: string): { producer: number, sequence: number } | null {
  const match = /^p(\d{1,6})\/(\d{1,9})\//.exec(value)
  return match === null ? null : { producer: Number(match[1]), sequence: Number(match[2]) }
}

function mix (first: number, second: number): number {
  let mixed = Math.imul(first + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(second + 0x7f4a7c15, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  return (mixed ^ (mixed >>> 13)) >>> 0
}
