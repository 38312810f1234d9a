// Writes the group's binary encodings: unsigned and zigzag varints of up to 53 bits, doubles, short texts.

const LENGTH_MIN = 256

export class ByteWriter {
  private bytes = new Uint8Array(LENGTH_MIN)
  private view = new DataView(this.bytes.buffer)
  private end = 0

  get size (): number { return this.end }

  byte (value: number): void {
    this.reserve(1)
    this.bytes[this.end++] = value
  }

  /** A safe integer >= 0. */
  count (value: number): void {
    this.reserve(8)
    let rest = value
    while (rest > 0x7fffffff) {
      this.bytes[this.end++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      this.bytes[this.end++] = (rest & 127) | 0x80
      rest >>>= 7
    }
    this.bytes[this.end++] = rest
  }

  /** An integer of magnitude below 2^52. */
  signed (value: number): void {
    this.count(value < 0 ? -value * 2 - 1 : value * 2)
  }

  double (value: number): void {
    this.reserve(8)
    this.view.setFloat64(this.end, value)
    this.end += 8
  }

  text (value: string): void {
    this.count(value.length)
    for (let index = 0; index < value.length; index++) this.count(value.charCodeAt(index))
  }

  raw (bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.end)
    this.end += bytes.length
  }

  /** A copy of what was written; begins anew. */
  take (): Uint8Array {
    const bytes = this.bytes.slice(0, this.end)
    this.end = 0
    if (this.bytes.length > 1024 * 1024) this.allocate(LENGTH_MIN)
    return bytes
  }

  private reserve (count: number): void {
    if (this.end + count > this.bytes.length) this.allocate(Math.max(this.bytes.length * 2, this.end + count))
  }

  private allocate (length: number): void {
    const bytes = new Uint8Array(length)
    bytes.set(this.bytes.subarray(0, this.end))
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }
}
