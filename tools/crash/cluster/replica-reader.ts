// Reads a topic from one broker as far as that knows it to be committed, also where it does not lead: down to the wire,
// so that nothing but this broker's own files and memory answers.

import { setTimeout as delay } from 'node:timers/promises'
import {
  BATCH_FLAG, ERROR, RecordReader, checkBatch, errorName, nextOffsetOf, readBatchHeader, type FetchedPartition,
} from '@sluice/protocol'
import type { Journal } from '../queue/journal.js'
import { topicIds } from '../read-partition.js'
import { ConnectionLostError, WireError, WirePeer } from '../wire-peer.js'
import { laneRecordOf } from './lane-record.js'
import { ReadRuns } from './read-runs.js'
import type { StreamStep } from './stream-journal.js'

export interface ReplicaTask {
  readonly topic: string
  readonly partitions: number
  /** Port of the broker itself, without a proxy. */
  readonly port: number
}

const FETCH_BYTES = 512 * 1024
const WAIT_MS = 500
const RETRY_MS = 200
/** What a replica may answer while it is one no more, or not yet, or knows less than another one did. */
const PASSING: ReadonlySet<number> = new Set([
  ERROR.NOT_LEADER, ERROR.LEADER_NOT_AVAILABLE, ERROR.OFFSET_NOT_AVAILABLE, ERROR.UNKNOWN_TOPIC,
  ERROR.UNKNOWN_PARTITION, ERROR.STORAGE_UNAVAILABLE,
])

export class ReplicaReader {
  private readonly task: ReplicaTask
  private readonly journal: Journal<StreamStep>
  private readonly name: string
  private readonly offsets: number[]
  private readonly records = new RecordReader()

  /** @param name of this reader, of all in the run. */
  constructor (task: ReplicaTask, journal: Journal<StreamStep>, name: string) {
    this.task = task
    this.journal = journal
    this.name = name
    this.offsets = Array.from({ length: task.partitions }, () => 0)
  }

  async run (stopping: AbortSignal): Promise<void> {
    const { topic, port } = this.task
    for (let partition = 0; partition < this.offsets.length; partition++) {
      this.journal.write({ step: 'began', reader: this.name, topic, partition, group: null })
    }
    while (!stopping.aborted) {
      try {
        const peer = await WirePeer.connect(port)
        const close = (): void => { void peer.close() }
        stopping.addEventListener('abort', close, { once: true })
        try {
          await this.readFrom(peer, stopping)
        } finally {
          stopping.removeEventListener('abort', close)
          await peer.close()
        }
      } catch (error) {
        if (!isPassing(error)) throw error
      }
      if (!stopping.aborted) await delay(RETRY_MS)
    }
  }

  private async readFrom (peer: WirePeer, stopping: AbortSignal): Promise<void> {
    const { topic } = this.task
    const topicId = (await topicIds(peer, [topic])).get(topic)
    if (topicId === undefined) return
    while (!stopping.aborted) {
      const partitions = this.offsets.map((offset, partition) =>
        ({ topicId, partition, offset, lastEpoch: -1, maxBytes: FETCH_BYTES }))
      const { message, payload } = await peer.request('fetch', {
        maxWaitMs: WAIT_MS, minBytes: 1, maxBytes: 4 * FETCH_BYTES, partitions,
      }, { unordered: true, forwarded: true })
      let position = 0
      for (const answer of message.partitions) {
        this.take(answer, payload.subarray(position, position + answer.size))
        position += answer.size
      }
      if (message.partitions.some(({ error }) => error !== 0)) await delay(RETRY_MS)
    }
  }

  private take ({ partition, error, message }: FetchedPartition, payload: Buffer): void {
    const { topic } = this.task
    const label = `${topic}/${partition}`
    if (error !== 0) {
      if (!PASSING.has(error)) this.wrong(`${this.name} was answered ${errorName(error)} for ${label}@${this.offsets[partition]}: ${message}`)
      return
    }
    const read = new ReadRuns()
    for (let position = 0; position < payload.length;) {
      const fault = checkBatch(payload, position)
      if (fault !== null) return this.wrong(`${this.name} was sent a batch of ${label} that is not sound: ${fault}`)
      const header = readBatchHeader(payload, position)
      if ((header.flags & BATCH_FLAG.control) === 0) this.takeBatch(payload, position, partition, read)
      this.offsets[partition] = Math.max(this.offsets[partition]!, nextOffsetOf(header))
      position += header.size
    }
    if (read.runs.length > 0) this.journal.write({ step: 'polled', reader: this.name, topic, partition, runs: read.runs })
  }

  private takeBatch (payload: Buffer, position: number, partition: number, read: ReadRuns): void {
    const { records } = this
    records.open(payload, position)
    while (records.next()) {
      const { offset } = records
      if (offset < this.offsets[partition]!) continue
      const record = laneRecordOf(records.value)
      if (record === null) this.wrong(`${this.task.topic}/${partition}@${offset} holds what nobody has sent`)
      else read.add(offset, record)
    }
  }

  private wrong (text: string): void { this.journal.write({ step: 'wrong', text }) }
}

function isPassing (error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true
  if (error instanceof WireError) return PASSING.has(error.code) || error.code === ERROR.SHUTTING_DOWN
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')
}
