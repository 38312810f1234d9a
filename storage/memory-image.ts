// The bytes of a file in memory, held in chunks: what was never written reads as zeros and takes no memory, so that a
// test may have files made ahead to the size of real segments.

const CHUNK_BYTES = 16 * 1024

export class MemoryImage {
  private readonly chunks: (Buffer | undefined)[] = []
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
      const chunk = this.chunks[index] ??= Buffer.alloc(CHUNK_BYTES)
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
      if (size % CHUNK_BYTES !== 0) this.chunks[chunkCount - 1]?.fill(0, size % CHUNK_BYTES)
    }
    this.length = size
  }

  clone (): MemoryImage {
    const copy = new MemoryImage()
    this.chunks.forEach((chunk, index) => {
      if (chunk !== undefined) copy.chunks[index] = Buffer.from(chunk)
    })
    copy.length = this.length
    return copy
  }
}
