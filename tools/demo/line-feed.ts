// The way in: a file, line by line, into a topic. The key of a line is its number, so that lines spread evenly and the
// file can be put together again.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { partitionOfKey, type Client } from '@sluice/client'
import { LineSplitter } from '../cli/line-splitter.js'
import { PartitionDigests } from './partition-digests.js'

/** What went in. */
export interface FedLines {
  readonly lines: number
  /** Bytes of the file. */
  readonly bytes: number
  /** The file ends with a newline. */
  readonly endsWithNewline: boolean
  /** SHA-256 of the file. */
  readonly fileDigest: string
  /** What each partition should give back, in order. */
  readonly digests: PartitionDigests
  readonly ms: number
}

const LINE_BYTES_MAX = 4 * 1024 * 1024
const NEWLINE = 10

/** Sends every line and waits until all are acknowledged. @throws Error, BrokerError */
export async function feedLines (
  client: Client, topic: string, partitions: number, path: string, progress: (lines: number, bytes: number) => void,
): Promise<FedLines> {
  const startedAtMs = performance.now()
  const producer = client.topic(topic).producer()
  const splitter = new LineSplitter(LINE_BYTES_MAX)
  const digests = new PartitionDigests(partitions)
  const fileHash = createHash('sha256')
  let lines = 0
  let bytes = 0
  let lastByte = NEWLINE
  const send = async (): Promise<void> => {
    for (let line = splitter.next(); line !== null; line = splitter.next()) {
      if (splitter.lineSize > line.length) throw new Error(`line ${lines + 1} of ${path} is longer than ${LINE_BYTES_MAX} bytes`)
      const key = Buffer.from(String(lines++))
      digests.add(partitionOfKey(key, partitions), key, line)
      if (!producer.write({ key, value: line })) await producer.drained()
    }
  }
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    fileHash.update(chunk)
    bytes += chunk.length
    lastByte = chunk[chunk.length - 1]!
    splitter.push(chunk)
    await send()
    progress(lines, bytes)
  }
  splitter.end()
  await send()
  await producer.close()
  return {
    lines,
    bytes,
    endsWithNewline: lastByte === NEWLINE,
    fileDigest: fileHash.digest('hex'),
    digests,
    ms: performance.now() - startedAtMs,
  }
}
