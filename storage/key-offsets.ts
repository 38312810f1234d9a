// The newest offset of each key in a part of a log, with bounded memory.
//
// When it is full, no new key gets in, but the keys that are in still follow to their newest offset: so it is right for
// the keys that it holds, and `fullAtOffset` says from where the next round has to begin for the others.

/** What an entry takes beside the bytes of its key, about. */
const ENTRY_BYTES = 96

export class KeyOffsets {
  private readonly maxBytes: number
  private readonly offsets = new Map<string, number>()
  private bytes = 0
  /** The offset of the first record whose key did not get in; -1 where all did. */
  fullAtOffset = -1

  constructor (maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get count (): number {
    return this.offsets.size
  }

  /** Notes a record. Keys are compared byte by byte. */
  note (key: string, offset: number): void {
    if (!this.offsets.has(key)) {
      if (this.fullAtOffset >= 0) return
      const bytes = ENTRY_BYTES + key.length
      if (this.bytes + bytes > this.maxBytes && this.offsets.size > 0) {
        this.fullAtOffset = offset
        return
      }
      this.bytes += bytes
    }
    this.offsets.set(key, offset)
  }

  /** True where a newer record of the key is known. */
  supersedes (key: string, offset: number): boolean {
    return (this.offsets.get(key) ?? -1) > offset
  }
}
