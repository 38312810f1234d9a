// How a log is named on disk and in the meta store.
//
//   directory  DATA/logs/<topicId>/<partition>/<kind>/
//   key        topicId bytes | 0 | partition u32 | kind u8 ('d' or 's')
//
// Keys of one log are neighbours, and the keys of a topic too.

import assert from 'node:assert'
import type { LogId } from './log-types.js'

const TOPIC_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/
const KIND_BYTE = { data: 0x64, state: 0x73 } as const

/** Throws where an id cannot name a directory. */
export function assertLogId (id: LogId): void {
  assert(TOPIC_ID.test(id.topicId), `not a topic id: ${JSON.stringify(id.topicId)}`)
  assert(Number.isInteger(id.partition) && id.partition >= 0 && id.partition <= 0xffffffff, 'partition out of range')
  assert(id.kind === 'data' || id.kind === 'state', 'kind of log')
}

/** The key prefix of everything that the meta store holds about a log. */
export function logKey (id: LogId): Buffer {
  const key = Buffer.alloc(id.topicId.length + 6)
  key.write(id.topicId, 0, 'latin1')
  key.writeUInt32BE(id.partition, id.topicId.length + 1)
  key[id.topicId.length + 5] = KIND_BYTE[id.kind]
  return key
}

/** The log that a key belongs to and how many of its bytes say so; null where it is no log's. */
export function parseLogKey (key: Buffer): { id: LogId, length: number } | null {
  const end = key.indexOf(0)
  if (end < 1 || key.length < end + 6) return null
  const kind = key[end + 5] === KIND_BYTE.data ? 'data' : key[end + 5] === KIND_BYTE.state ? 'state' : null
  const topicId = key.toString('latin1', 0, end)
  if (kind === null || !TOPIC_ID.test(topicId)) return null
  return { id: { topicId, partition: key.readUInt32BE(end + 1), kind }, length: end + 6 }
}

/** The same name as a string, for maps and messages. */
export function logName (id: LogId): string {
  return `${id.topicId}/${id.partition}/${id.kind}`
}

/** The directory of a log under `logsDirectory`. */
export function logDirectory (logsDirectory: string, id: LogId): string {
  return `${logsDirectory}/${id.topicId}/${id.partition}/${id.kind}`
}

/** The log whose directory has these three last parts; null where no log is named so. */
export function parseLogPath (topicId: string, partition: string, kind: string): LogId | null {
  if (!TOPIC_ID.test(topicId) || !/^(0|[1-9][0-9]{0,9})$/.test(partition)) return null
  if (kind !== 'data' && kind !== 'state') return null
  const number = Number(partition)
  return number <= 0xffffffff ? { topicId, partition: number, kind } : null
}
