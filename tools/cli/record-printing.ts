// Printing of records to standard output: filter, count, format, write.
//
// What is printed goes out when 64 KiB have gathered, or after a moment when no more comes.

import { ByteOutput } from './byte-output.js'
import type { BytesRecord, RecordPrinter } from './record-format.js'

const FLUSH_BYTES = 64 * 1024
const FLUSH_INTERVAL_MS = 20

export interface PrintingOptions {
  /** Only records whose value matches; null for all. */
  readonly grep: RegExp | null
  /** Most records that are printed. */
  readonly countMax: number
}

export class RecordPrinting {
  /** Records printed. */
  records = 0
  /** Bytes of their values. */
  bytes = 0
  private readonly printer: RecordPrinter
  private readonly options: PrintingOptions
  private readonly output = new ByteOutput()
  private timer: NodeJS.Timeout | null = null
  private failure: unknown = null

  constructor (printer: RecordPrinter, options: PrintingOptions) {
    this.printer = printer
    this.options = options
  }

  /** How many more records may be printed. */
  get left (): number { return this.options.countMax - this.records }

  /** No more is wanted: the count is reached or the reader of the pipe has gone. */
  get done (): boolean { return this.left <= 0 || this.output.gone }

  /** So much waits that it should be written before more is printed. */
  get isFull (): boolean { return this.output.waitingBytes >= FLUSH_BYTES }

  start (): void {
    this.printer.start(this.output)
    this.timer = setInterval(() => {
      if (this.output.waitingBytes > 0) this.output.flush().catch(error => { this.failure ??= error })
    }, FLUSH_INTERVAL_MS)
    this.timer.unref()
  }

  /** Prints the record, unless it is filtered out. */
  print (record: BytesRecord): void {
    const { value } = record
    if (this.options.grep !== null) {
      const text = value === null ? '' : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
      if (!this.options.grep.test(text)) return
    }
    this.records++
    this.bytes += value?.length ?? 0
    this.printer.record(record, this.output)
  }

  /** Writes out what was printed. @returns false once the reader has gone. @throws Error when writing fails. */
  async flush (): Promise<boolean> {
    const written = await this.output.flush()
    if (this.failure !== null) throw this.failure
    return written
  }

  /** Prints what goes behind the last record, and writes everything. @returns as flush. */
  async end (): Promise<boolean> {
    if (this.timer !== null) clearInterval(this.timer)
    this.printer.end(this.output)
    return await this.flush()
  }
}
