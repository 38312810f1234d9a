// Memory for reads from the disk. It is used again once what was read is on its way: memory outside of the heap that
// comes and goes by the megabyte has the collector walk the heap many times a second, and the system clear each page
// anew. It took half of the time of a broker that serves a backlog.
//
// Whoever is handed a slice gives its memory back by `LogSlice.release`, or leaves it to the collector.
//
// Invariants: what lies ready is bounded in bytes and pieces; memory that is lent is in nobody else's hands.

const SPARE_BYTES_MAX = 16 * 1024 * 1024
const SPARES_MAX = 32
const BYTES_MIN = 64 * 1024
/** A piece may be so many times what is asked for. */
const WASTE_MAX = 4

export class ReadMemory {
  private readonly spares: Buffer[] = []
  private keptBytes = 0

  /** Bytes that lie ready. */
  get spareBytes (): number {
    return this.keptBytes
  }

  /** Memory of at least `size` bytes, with anything in it. */
  take (size: number): Buffer {
    const spares = this.spares
    for (let index = spares.length - 1; index >= 0; index--) {
      const spare = spares[index]!
      if (spare.length < size || spare.length > size * WASTE_MAX) continue
      spares[index] = spares[spares.length - 1]!
      spares.pop()
      this.keptBytes -= spare.length
      return spare
    }
    return Buffer.allocUnsafeSlow(size < BYTES_MIN ? size : Math.ceil(size / BYTES_MIN) * BYTES_MIN)
  }

  /** Takes back what `take` gave, once nobody looks at it any more. */
  give (memory: Buffer): void {
    if (memory.length < BYTES_MIN || memory.length > SPARE_BYTES_MAX) return
    this.spares.push(memory)
    this.keptBytes += memory.length
    while (this.keptBytes > SPARE_BYTES_MAX || this.spares.length > SPARES_MAX) {
      this.keptBytes -= this.spares.shift()!.length
    }
  }
}
