// Printing a range of a topic, without a group.

import type { Client } from '@sluice/client'
import type { RecordPrinting } from './record-printing.js'
import type { StartPosition } from './start-position.js'

export interface RangeOptions {
  /** Where to begin; the first record held where left out. */
  readonly offset?: StartPosition
  /** Stop at what is the end now. */
  readonly exit?: boolean
  /** Partitions to read; all where left out. */
  readonly partition?: number[]
}

/** Prints until the end, the count, an abort, or until nobody reads any more. */
export async function consumeRange (
  client: Client, topic: string, options: RangeOptions, printing: RecordPrinting, signal: AbortSignal,
): Promise<void> {
  printing.start()
  const records = client.topic(topic).read({
    from: options.offset ?? 'earliest', to: options.exit === true ? 'end' : Infinity, partitions: options.partition, signal,
  })
  try {
    for await (const record of records) {
      printing.print(record)
      if (printing.isFull) await printing.flush()
      if (printing.done) break
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await printing.end()
  }
}
