// Reads what `ByteWriter` wrote. Whatever does not add up throws a `QueueStateFault`: the bytes are checksummed by the
// log they come from, so that a fault here is a bug or an unknown version, never something to go on with.

export class QueueStateFault extends Error {
  override readonly name = 'QueueStateFault'
}

export class ByteReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private position = 0

  constructor (bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get atEnd (): boolean { return this.position === this.bytes.length }

  byte (): number {
    this.need(1)
    return this.bytes[this.position++]!
  }

  count (): number {
    let value = 0
    let scale = 1
    for (let index = 0; index < 8; index++) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 128
    }
    throw new QueueStateFault(`a number that is too large at byte ${this.position}`)
  }

  signed (): number {
    const value = this.count()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  double (): number {
    this.need(8)
    const value = this.view.getFloat64(this.position)
    this.position += 8
    return value
  }

  text (): string {
    const length = this.count()
    this.need(length)
    let text = ''
    for (let index = 0; index < length; index++) text += String.fromCharCode(this.count())
    return text
  }

  raw (length: number): Uint8Array {
    this.need(length)
    const bytes = this.bytes.subarray(this.position, this.position + length)
    this.position += length
    return bytes
  }

  private need (count: number): void {
    if (this.position + count > this.bytes.length) {
      throw new QueueStateFault(`ends after ${this.bytes.length} bytes, in the middle of something`)
    }
  }
}
