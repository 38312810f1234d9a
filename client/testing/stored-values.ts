// What lies in a log of a scripted broker, for tests to compare with what was sent.

import { RecordReader } from '@sluice/protocol'
import type { FakeLog } from './scripted-broker.js'

/** Values of all records of a log as text, in order. */
export function valuesOf (log: FakeLog): string[] {
  const values: string[] = []
  for (const batch of log.batches) {
    const reader = new RecordReader().open(batch.bytes)
    while (reader.next()) values.push(reader.value === null ? 'null' : reader.value.toString())
  }
  return values
}

/** Waits until something is so, looking every few milliseconds. The test's own timeout is the bound. */
export async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}
