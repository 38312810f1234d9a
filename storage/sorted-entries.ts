// Entries in the byte order of their keys, in chunks, so that an insertion moves few of them wherever it falls.
//
//   chunks   [a c d]  [f g]  [k m p q]     none is empty; keys ascend within and across chunks

const CHUNK_COUNT_MAX = 256

export class SortedEntries<Entry extends { readonly key: Buffer }> {
  private chunks: Entry[][] = []

  get (key: Buffer): Entry | null {
    const chunk = this.chunks[this.chunkOf(key)]
    if (chunk === undefined) return null
    const entry = chunk[lowerBound(chunk, key)]
    return entry !== undefined && entry.key.equals(key) ? entry : null
  }

  /** Adds the entry, in place of one with the same key. */
  set (entry: Entry): void {
    const chunkIndex = this.chunkOf(entry.key)
    const chunk = this.chunks[chunkIndex]
    if (chunk === undefined) {
      this.chunks.push([entry])
      return
    }
    const index = lowerBound(chunk, entry.key)
    if (index < chunk.length && chunk[index]!.key.equals(entry.key)) {
      chunk[index] = entry
    } else {
      chunk.splice(index, 0, entry)
      if (chunk.length > CHUNK_COUNT_MAX) this.split(chunkIndex, index)
    }
  }

  delete (key: Buffer): void {
    const chunkIndex = this.chunkOf(key)
    const chunk = this.chunks[chunkIndex]
    if (chunk === undefined) return
    const index = lowerBound(chunk, key)
    if (index === chunk.length || !chunk[index]!.key.equals(key)) return
    chunk.splice(index, 1)
    if (chunk.length === 0) this.chunks.splice(chunkIndex, 1)
  }

  /** Keeps the entries that `isKept`. */
  filter (isKept: (entry: Entry) => boolean): void {
    this.chunks = this.chunks.map(chunk => chunk.filter(isKept)).filter(chunk => chunk.length > 0)
  }

  /**
   * Walks the entries with keys from `from` (inclusive) to `to` (exclusive), `reverse` from the end: each call answers
   * the next one, then null. Nothing may change meanwhile.
   */
  walk (from: Buffer | undefined, to: Buffer | undefined, reverse: boolean): () => Entry | null {
    let { chunkIndex, index } = this.seek(reverse ? to : from, reverse)
    return () => {
      if (reverse) {
        index--
        if (index < 0) {
          const chunk = this.chunks[--chunkIndex]
          if (chunk === undefined) return null
          index = chunk.length - 1
        }
      } else if (index >= (this.chunks[chunkIndex]?.length ?? 0)) {
        chunkIndex++
        index = 0
      }
      const entry = this.chunks[chunkIndex]?.[reverse ? index : index++]
      if (entry === undefined) return null
      const isOutside = reverse
        ? from !== undefined && Buffer.compare(entry.key, from) < 0
        : to !== undefined && Buffer.compare(entry.key, to) >= 0
      return isOutside ? null : entry
    }
  }

  clone (): SortedEntries<Entry> {
    const copy = new SortedEntries<Entry>()
    copy.chunks = this.chunks.map(chunk => chunk.slice())
    return copy
  }

  /** The place of the first entry not below `key`; without one the beginning, or the end where `end` is set. */
  private seek (key: Buffer | undefined, end: boolean): { chunkIndex: number, index: number } {
    if (this.chunks.length === 0 || (key === undefined && !end)) return { chunkIndex: 0, index: 0 }
    const chunkIndex = key === undefined ? this.chunks.length - 1 : this.chunkOf(key)
    const chunk = this.chunks[chunkIndex]!
    return { chunkIndex, index: key === undefined ? chunk.length : lowerBound(chunk, key) }
  }

  /** The chunk that has or would take `key`: the last that does not begin above it, or the first. */
  private chunkOf (key: Buffer): number {
    let low = 0
    let high = this.chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.chunks[middle]![0]!.key, key) <= 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }

  private split (chunkIndex: number, insertedIndex: number): void {
    const chunk = this.chunks[chunkIndex]!
    // Keys that only ever come in order fill their chunks.
    const isAppended = insertedIndex === chunk.length - 1 && chunkIndex === this.chunks.length - 1
    const rest = chunk.splice(isAppended ? insertedIndex : chunk.length >>> 1)
    this.chunks.splice(chunkIndex + 1, 0, rest)
  }
}

/** Index of the first entry whose key is not below `key`. */
function lowerBound (entries: ReadonlyArray<{ readonly key: Buffer }>, key: Buffer): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Buffer.compare(entries[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
