// Random numbers that a seed repeats, so that a failing run can be told by its seed. (The timing of real processes is
// not repeated by it: what is drawn is, when it meets the broker is not.)

export class SeededRandom {
  private state: number

  constructor (seed: number) {
    this.state = seed >>> 0
  }

  /** A number in [0, 1). Mulberry32. */
  next (): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = this.state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer in [from, to). */
  between (from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from))
  }

  /** True in `share` of the cases, 0 to 1. */
  chance (share: number): boolean { return this.next() < share }

  pick<T> (choices: readonly T[]): T { return choices[this.between(0, choices.length)]! }

  /** `size` bytes. */
  bytes (size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size)
    for (let index = 0; index < size; index++) bytes[index] = this.between(0, 256)
    return bytes
  }

  /** A generator of its own, so that what one part draws does not change what another one does. */
  split (): SeededRandom { return new SeededRandom(Math.floor(this.next() * 2 ** 32)) }
}
