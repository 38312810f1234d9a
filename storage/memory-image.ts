// The bytes of a file in memory, held in chunks: what was never written reads as zeros and takes no memory, so that a
// test may have files made ahead to the size of real segments.
//
// A clone shares its chunks with the original until one of the two writes to them: a crash of a whole disk copies
// nothing.

const CHUNK_BYTES = 2 * 1024

export class MemoryImage {
  private readonly chunks: (Buffer | undefined)[] = []
  /** Chunks that another image may hold too: to be copied before they are changed. */
  private readonly shared: boolean[] = []
  private length = 0

  get size (): number {
    return this.length
  }

  /** Fills `target` from `position` on; answers how many bytes there were. */
  read (target: Buffer, position: number): number {
    const end = Math.min(position + target.length, this.length)
    for (let at = position; at < end;) {
      const chunk = this.chunks[Math.floor(at / CHUNK_BYTES)]
      const start = at % CHUNK_BYTES
      const count = Math.min(CHUNK_BYTES - start, end - at)
      if (chunk === undefined) target.fill(0, at - position, at - position + count)
      else chunk.copy(target, at - position, start, start + count)
      at += count
    }
    return Math.max(0, end - position)
  }

  write (bytes: Buffer, position: number): void {
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((position + done) / CHUNK_BYTES)
      const start = (position + done) % CHUNK_BYTES
      const count = Math.min(CHUNK_BYTES - start, bytes.length - done)
      const chunk = this.ownChunk(index)
      bytes.copy(chunk, start, done, done + count)
      done += count
    }
    if (bytes.length > 0) this.length = Math.max(this.length, position + bytes.length)
  }

  /** Cuts the image, or lengthens it with zeros. */
  resize (size: number): void {
    if (size < this.length) {
      const chunkCount = Math.ceil(size / CHUNK_BYTES)
      if (this.chunks.length > chunkCount) this.chunks.length = chunkCount
      const isPartial = size % CHUNK_BYTES !== 0 && this.chunks[chunkCount - 1] !== undefined
      if (isPartial) this.ownChunk(chunkCount - 1).fill(0, size % CHUNK_BYTES)
    }
    this.length = size
  }

  clone (): MemoryImage {
    const copy = new MemoryImage()
    this.chunks.forEach((chunk, index) => {
      if (chunk === undefined) return
      copy.chunks[index] = chunk
      this.shared[index] = copy.shared[index] = true
    })
    copy.length = this.length
    return copy
  }

  /** A chunk to write to. */
  private ownChunk (index: number): Buffer {
    const chunk = this.chunks[index]
    if (chunk !== undefined && this.shared[index] !== true) return chunk
    this.shared[index] = false
    const own = chunk === undefined ? Buffer.allocUnsafe(CHUNK_BYTES).fill(0) : Buffer.from(chunk)
    this.chunks[index] = own
    return own
  }
}
