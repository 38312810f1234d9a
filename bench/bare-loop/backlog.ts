// The file that the fetch form of the bare loop serves: record batches one after the other.

import { open } from 'node:fs/promises'
import { RecordBatchBuilder } from '@sluice/protocol'
import { makeValues } from '../load/values.js'

const WRITE_BYTES = 1024 * 1024

/** Writes `backlog` records of `size` bytes in batches of `batch`; resolves with the size of the file in bytes. */
export async function writeBacklog (
  path: string, { backlog, batch, size }: { backlog: number, batch: number, size: number },
): Promise<number> {
  const values = makeValues(size)
  const builder = new RecordBatchBuilder((size + 16) * batch + 256)
  const file = await open(path, 'w')
  let pending: Buffer[] = []
  let pendingBytes = 0
  let fileBytes = 0
  const write = async (): Promise<void> => {
    await file.writev(pending)
    fileBytes += pendingBytes
    pending = []
    pendingBytes = 0
  }
  try {
    for (let done = 0; done < backlog;) {
      const nowMs = Date.now()
      const end = Math.min(backlog, done + batch)
      for (; done < end; done++) builder.append(null, values[done & 63]!, nowMs)
      const bytes = builder.build()
      pending.push(bytes)
      pendingBytes += bytes.length
      if (pendingBytes >= WRITE_BYTES) await write()
    }
    if (pendingBytes > 0) await write()
    await file.datasync()
  } finally {
    await file.close()
  }
  return fileBytes
}
