// Standard input, line by line, for commands that send a record for each.
//
// Reading waits for the sender: while `onLine` returns a promise nothing more is read. Ctrl-C ends the input, not the
// sending of what was read.

import { LineSplitter } from './line-splitter.js'

/** Longest line that is kept, in bytes: no batch may be larger. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024

/** What is done with the lines. */
export interface LineSink {
  /** A line without its newline. The bytes may change after the next turn of the event loop. */
  onLine (line: Buffer): Promise<void> | undefined
  /** A line of `size` bytes, above LINE_BYTES_MAX. */
  onTooLong (size: number): void
  /** After each piece of input. */
  onProgress (): void
}

/** Reads to the end of standard input, or until SIGINT or SIGTERM. */
export async function readStdinLines (sink: LineSink): Promise<void> {
  const { stdin } = process
  let stopped = false
  const stop = (): void => {
    stopped = true
    stdin.destroy()
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const lines = new LineSplitter(LINE_BYTES_MAX)
  const handOver = async (): Promise<void> => {
    for (let line = lines.next(); line !== null; line = lines.next()) {
      if (lines.lineSize > line.length) {
        sink.onTooLong(lines.lineSize)
        continue
      }
      const busy = sink.onLine(line)
      if (busy !== undefined) await busy
    }
  }
  try {
    for await (const chunk of stdin) {
      lines.push(chunk as Buffer)
      await handOver()
      sink.onProgress()
    }
  } catch (error) {
    if (!stopped) throw error
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
  lines.end()
  await handOver()
}
