// Standard output for bytes at a high rate.
//
// What is appended gathers in one buffer; `flush` writes it out. The write happens on libuv's thread pool: writing to
// a pipe through process.stdout stops the event loop while the reader of the pipe is slow, and with it the heartbeats
// of a consumer.
//
// Invariants: bytes come out in the order of the calls and unchanged; once the reader has gone nothing more is written.

import { write } from 'node:fs'

const INITIAL_BYTES = 128 * 1024
const RETRY_MS = 5

export class ByteOutput {
  /** The reader of the pipe has gone; what is written is dropped. */
  gone = false
  private readonly fd: number
  private buffer = Buffer.allocUnsafe(INITIAL_BYTES)
  /** The other buffer: the one being written, if any. */
  private spare = Buffer.allocUnsafe(INITIAL_BYTES)
  private writing: Promise<boolean> = Promise.resolve(true)
  private used = 0

  constructor (fd = 1) {
    this.fd = fd
  }

  /** Bytes that wait to be written. */
  get waitingBytes (): number { return this.used }

  appendBytes (bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.used)
    this.used += bytes.length
  }

  /** Appends a text of ASCII characters only. */
  appendAscii (text: string): void {
    this.reserve(text.length)
    this.used += this.buffer.write(text, this.used, 'latin1')
  }

  appendText (text: string): void {
    this.reserve(text.length * 3)
    this.used += this.buffer.write(text, this.used)
  }

  /**
   * Writes what waits, after what is being written already; more may be appended meanwhile.
   *
   * @returns false once the reader has gone.
   * @throws Error as a rejection: what the system said, such as ENOSPC.
   */
  flush (): Promise<boolean> {
    this.writing = this.writing.then(() => this.writeWaiting())
    return this.writing
  }

  private async writeWaiting (): Promise<boolean> {
    const { buffer, used } = this
    this.used = 0
    if (used === 0 || this.gone) return !this.gone
    this.buffer = this.spare
    this.spare = buffer
    let position = 0
    while (position < used && !this.gone) position += await this.writeSome(buffer, position, used)
    return !this.gone
  }

  private writeSome (buffer: Buffer, start: number, end: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.fd, buffer, start, end - start, (error, written) => {
        if (error === null) return resolve(written)
        if (error.code === 'EPIPE' || error.code === 'ECONNRESET') {
          this.gone = true
          resolve(0)
        } else if (error.code === 'EAGAIN') {
          // Somebody else has switched the pipe to non-blocking, and it is full.
          setTimeout(resolve, RETRY_MS, 0)
        } else {
          reject(error)
        }
      })
    })
  }

  private reserve (bytes: number): void {
    const needed = this.used + bytes
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.used)
    this.buffer = grown
  }
}
