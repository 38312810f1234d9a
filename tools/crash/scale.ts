// A broker with very many partitions: how long it takes to open, and what it holds when idle.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@sluice/client'
import { BrokerProcess } from './broker-process.js'

export interface ScaleReport {
  readonly partitions: number
  /** Creating the topics, in milliseconds. */
  readonly createMs: number
  /** From the start of the process to its ready line, in milliseconds. */
  readonly startMs: { readonly afterStop: number, readonly afterKill: number }
  readonly idleRssBytes: number
  /** While records were written to all partitions. */
  readonly busyRssBytes: number
  /** Highest number of open file handles that was seen. */
  readonly openFilesMax: number
  /** Writing a record to every partition, in milliseconds. */
  readonly writeAllMs: number
}

const PARTITIONS_PER_TOPIC = 1_000
const SETTLE_MS = 3_000
const OPTIONS = { 'open-files': '512', 'log-level': 'warn' } as const

/** Makes a broker with so many partitions, a record in each, and measures its starts. */
export async function measureScale (options: { folder: string, partitions: number }): Promise<ScaleReport> {
  const { partitions } = options
  const data = join(options.folder, 'data')
  const topics = Array.from({ length: Math.ceil(partitions / PARTITIONS_PER_TOPIC) }, (_, index) => ({
    name: `topic-${index}`, partitions: Math.min(PARTITIONS_PER_TOPIC, partitions - index * PARTITIONS_PER_TOPIC),
  }))
  let broker = await BrokerProcess.start({ data, options: OPTIONS })
  try {
    const createMs = await timed(() => createAll(broker.address, topics))
    const writeAllMs = await timed(() => writeAll(broker.address, topics))
    const busyRssBytes = await broker.rssBytes()
    let openFilesMax = await broker.openFiles()
    await broker.stop(120_000)

    broker = new BrokerProcess({ data, options: OPTIONS })
    const afterStop = await broker.ready
    await delay(SETTLE_MS)
    const idleRssBytes = await broker.rssBytes()
    await writeAll(broker.address, topics)
    openFilesMax = Math.max(openFilesMax, await broker.openFiles())
    await broker.kill()

    broker = new BrokerProcess({ data, options: OPTIONS })
    const afterKill = await broker.ready
    return {
      partitions,
      createMs,
      startMs: { afterStop: Math.round(afterStop), afterKill: Math.round(afterKill) },
      idleRssBytes,
      busyRssBytes,
      openFilesMax,
      writeAllMs,
    }
  } finally {
    await broker.kill()
  }
}

interface TopicShape { readonly name: string, readonly partitions: number }

async function createAll (address: string, topics: readonly TopicShape[]): Promise<void> {
  await using client = connect({ brokers: [address] })
  for (const { name, partitions } of topics) await client.admin.createTopic(name, { partitions, timeoutMs: 300_000 })
}

async function writeAll (address: string, topics: readonly TopicShape[]): Promise<void> {
  await using client = connect({ brokers: [address], requestTimeoutMs: 120_000 })
  for (const { name, partitions } of topics) {
    const producer = client.topic(name).producer()
    await Promise.all(Array.from({ length: partitions }, (_, partition) =>
      producer.send({ value: Buffer.from(`record of partition ${partition}`), partition })))
    await producer.close()
  }
}

async function timed (run: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await run()
  return Math.round(performance.now() - startedMs)
}
