// What the replicas of a partition hold on their disks, while no broker runs: the truth that a history is held against.
//
//   replica 1   [batch][batch][control][batch]│[batch]        each batch of the committed range is the same on all of
//   replica 2   [batch][batch][control][batch]│               them, to the last byte
//               0                             committed end

import { BATCH_FLAG, BATCH_POSITION, RecordReader, crc32c, type BatchHeader } from '@sluice/protocol'
import { NodeDisk, dumpSegment, listSegments, verifyLog, type LogId } from '@sluice/storage'
import { laneRecordOf } from './lane-record.js'

export interface ReplicaFolder {
  readonly brokerId: number
  /** `DATA/logs`. */
  readonly logs: string
}

/** Nothing was written there by a client: a message of the brokers to each other. */
export const CONTROL = 0xffff

/** What is at each offset of [0, end): `producers[offset]` (or CONTROL) and `sequences[offset]`. */
export interface StoredLog {
  readonly end: number
  readonly producers: Uint16Array
  readonly sequences: Uint32Array
}

interface Batch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly digest: number
  readonly header: BatchHeader
}

const disk = new NodeDisk()

export interface StoredOptions {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Committed end of the data log. */
  readonly end: number
  readonly folders: readonly ReplicaFolder[]
  /** The brokers have ended in order: nothing may be torn, and the state logs are the same as well. */
  readonly isStopped: boolean
  /** Its records are those of lanes. */
  readonly hasLanes: boolean
}

/**
 * Reads the first replica, and compares the others with it, in both logs of the partition.
 *
 * @param report told what is wrong.
 */
export async function readStored (options: StoredOptions, report: (text: string) => void): Promise<StoredLog> {
  const { topic, topicId, partition, end, folders, isStopped, hasLanes } = options
  const label = `${topic}/${partition}`
  const stored = { end, producers: new Uint16Array(end).fill(CONTROL), sequences: new Uint32Array(end) }
  const data: LogId = { topicId, partition, kind: 'data' }
  const copies: Batch[][] = []
  for (const { logs } of folders) {
    const visit: Visit | null = hasLanes && copies.length === 0
      ? (batch, header) => take(stored, batch, header, label, report)
      : null
    copies.push(await readBatches(logs, data, visit))
  }
  compare(label, folders, copies, end, report)
  if (isStopped) {
    const states: Batch[][] = []
    for (const { logs } of folders) states.push(await readBatches(logs, { ...data, kind: 'state' }, null))
    compare(`${label} (state)`, folders, states, null, report)
  }
  for (const { brokerId, logs } of folders) {
    for (const kind of ['data', 'state'] as const) {
      await verify(`${label} (${kind}) on broker ${brokerId}`, logs, { ...data, kind }, isStopped, report)
    }
  }
  return stored
}

type Visit = (batch: Buffer, header: BatchHeader) => void

async function readBatches (logs: string, id: LogId, visit: Visit | null): Promise<Batch[]> {
  const batches: Batch[] = []
  const segments = await listSegments(disk, logs, id).catch(() => [])
  for (const { path } of segments) {
    await dumpSegment(disk, path, (header, batch) => {
      const { baseOffset, lastOffsetDelta } = header
      const nextOffset = baseOffset + lastOffsetDelta + 1
      batches.push({ baseOffset, nextOffset, digest: digestOf(batch), header: { ...header } })
      visit?.(batch, header)
    })
  }
  return batches
}

/** Of all but what each broker says of itself: up to where it knew the log to be committed. */
function digestOf (batch: Buffer): number {
  const { committedOffset, prevCrc, headerCrc, crc } = BATCH_POSITION
  const rest = [batch.subarray(0, committedOffset), batch.subarray(prevCrc, headerCrc), batch.subarray(crc)]
  return rest.reduce((digest, bytes) => Math.imul(digest, 31) + crc32c(bytes) | 0, 0)
}

function take (
  stored: StoredLog, batch: Buffer, header: BatchHeader, label: string, report: (text: string) => void,
): void {
  if ((header.flags & BATCH_FLAG.control) !== 0) return
  const reader = new RecordReader().open(batch)
  while (reader.next()) {
    const { offset } = reader
    if (offset >= stored.end) return
    const record = laneRecordOf(reader.value)
    if (record === null) return report(`inconsistent: ${label}@${offset} holds what nobody has sent`)
    stored.producers[offset] = record.producer
    stored.sequences[offset] = record.sequence
  }
}

/** The same batches on all of them, where both have some; up to `end`, and all up to there, where it is given. */
function compare (
  label: string, folders: readonly ReplicaFolder[], copies: readonly (readonly Batch[])[], end: number | null,
  report: (text: string) => void,
): void {
  for (const [index, batches] of copies.entries()) {
    const { brokerId } = folders[index]!
    const last = batches.at(-1)?.nextOffset ?? 0
    if (end !== null && last < end) report(`lost: broker ${brokerId} holds ${label} up to ${last}, and ${end} was committed`)
    for (let at = 1; at < batches.length; at++) {
      const [before, next] = [batches[at - 1]!, batches[at]!]
      if (before.nextOffset === next.baseOffset) continue
      report(`inconsistent: ${label} on broker ${brokerId} has a gap from ${before.nextOffset} to ${next.baseOffset}`)
    }
    if (index > 0) compareTwo(label, folders[0]!, copies[0]!, folders[index]!, batches, end ?? Infinity, report)
  }
}

function compareTwo (
  label: string, one: ReplicaFolder, ones: readonly Batch[], other: ReplicaFolder, others: readonly Batch[],
  end: number, report: (text: string) => void,
): void {
  const byOffset = new Map(ones.map(batch => [batch.baseOffset, batch]))
  const [first, last] = [ones[0]?.baseOffset ?? 0, ones.at(-1)?.nextOffset ?? 0]
  for (const batch of others) {
    if (batch.baseOffset < first || batch.nextOffset > Math.min(end, last)) continue
    const same = byOffset.get(batch.baseOffset)
    if (same?.digest === batch.digest) continue
    return report(`inconsistent: ${label}@${batch.baseOffset} is not the same on brokers ${one.brokerId} and ` +
      `${other.brokerId}: ${JSON.stringify(same?.header ?? null)} and ${JSON.stringify(batch.header)}`)
  }
}

async function verify (
  label: string, logs: string, id: LogId, isStopped: boolean, report: (text: string) => void,
): Promise<void> {
  const check = await verifyLog(disk, logs, id).catch(() => null)
  if (check === null || check.sound) return
  const damage = check.segments.flatMap(segment => segment.damage)
  const isTorn = check.segments.some(({ tornBytes }) => tornBytes > 0)
  if (damage.length === 0 && check.missing.length === 0 && !(isTorn && isStopped)) return
  report(`damaged: ${label}: ${JSON.stringify({ damage, missing: check.missing, isTorn, strangers: check.strangers })}`)
}
