// Where to begin reading, and which offsets that means now.

import type { OffsetPosition } from '@sluice/protocol'
import { BrokerError, serverError } from './broker-error.js'
import { invalidOption } from './client-options.js'
import type { Cluster } from './connection/cluster.js'
import type { TopicInfo } from './connection/metadata.js'
import { whileRetriable } from './retrying.js'

/**
 * Where to begin reading:
 * - `earliest`: the first record that is held; `latest`: behind the last one that there is now;
 * - `committed`: where the group stands, and `earliest` where it has no offset;
 * - a number: this offset in every partition; a negative one counts back from the end: -10 is the last ten;
 * - a Date or `{ ago: '1h30m' }` (ms, s, m, h, d, w): the first record at or after that time;
 * - an object: an offset by partition, such as `{ 0: 120, 3: -5 }`.
 */
export type Start = 'earliest' | 'latest' | 'committed' | number | Date | { ago: string } | Record<number, number>

/** Offsets by partition. */
export type Offsets = Map<number, number>

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000,
}

/** Milliseconds of a duration such as `90s` or `1h30m`. @throws BrokerError INVALID */
export function parseDurationMs (text: string): number {
  const parts = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(text) ? text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g) : null
  if (parts === null) throw invalidOption('ago', 'a duration such as 500ms, 90s, 1h30m, 2d', text)
  let ms = 0
  for (const [, amount, unit] of parts) ms += Number(amount) * UNIT_MS[unit!]!
  return ms
}

/** Checks a start before anything is asked of a broker. @throws BrokerError INVALID */
export function checkStart (start: Start, name = 'from'): void {
  const wanted = "'earliest', 'latest', 'committed', an offset, a Date, { ago: '1h' } or offsets by partition"
  if (start === 'earliest' || start === 'latest' || start === 'committed') return
  if (typeof start === 'number') {
    if (!Number.isSafeInteger(start)) throw invalidOption(name, wanted, start)
  } else if (start instanceof Date) {
    if (Number.isNaN(start.getTime())) throw invalidOption(name, wanted, start)
  } else if (typeof start !== 'object' || start === null) {
    throw invalidOption(name, wanted, start)
  } else if (isAgo(start)) {
    parseDurationMs(start.ago)
  } else {
    for (const [partition, offset] of Object.entries(start)) {
      if (!/^\d+$/.test(partition) || !Number.isSafeInteger(offset)) throw invalidOption(name, wanted, JSON.stringify(start))
    }
  }
}

function isAgo (start: object): start is { ago: string } {
  return typeof (start as { ago?: unknown }).ago === 'string'
}

/** What a resolution needs beside the start itself. */
export interface ResolveOptions { group?: string, signal?: AbortSignal }

/**
 * The offsets that a start means now, for those of `partitions` that it speaks of: an object leaves out the others.
 *
 * @throws BrokerError as a rejection.
 */
export async function resolveStart (
  cluster: Cluster, topic: TopicInfo, partitions: readonly number[], start: Start, options: ResolveOptions = {},
): Promise<Offsets> {
  if (partitions.length === 0) return new Map()
  if (start === 'earliest' || start === 'latest') return listOffsets(cluster, topic, partitions, start, options)
  if (start === 'committed') return committedOrEarliest(cluster, topic, partitions, options)
  if (start instanceof Date) return listOffsets(cluster, topic, partitions, start.getTime(), options)
  if (typeof start === 'object' && isAgo(start)) {
    return listOffsets(cluster, topic, partitions, Date.now() - parseDurationMs(start.ago), options)
  }
  const given = new Map<number, number>()
  for (const partition of partitions) {
    const offset = typeof start === 'number' ? start : (start as Record<number, number>)[partition]
    if (offset !== undefined) given.set(partition, offset)
  }
  const counted = [...given.keys()].filter(partition => given.get(partition)! < 0)
  if (counted.length > 0) {
    const [first, end] = await Promise.all([
      listOffsets(cluster, topic, counted, 'earliest', options), listOffsets(cluster, topic, counted, 'latest', options),
    ])
    for (const partition of counted) {
      given.set(partition, Math.max(first.get(partition)!, end.get(partition)! + given.get(partition)!))
    }
  }
  return given
}

async function committedOrEarliest (
  cluster: Cluster, topic: TopicInfo, partitions: readonly number[], options: ResolveOptions,
): Promise<Offsets> {
  if (options.group === undefined) throw new BrokerError('INVALID', "'committed' needs a group: read with a consumer")
  const committed = await committedPositions(cluster, topic, partitions, options.group, options.signal)
  const offsets: Offsets = new Map()
  for (const [partition, { offset }] of committed) offsets.set(partition, offset)
  const missing = partitions.filter(partition => !offsets.has(partition))
  for (const [partition, offset] of await resolveStart(cluster, topic, missing, 'earliest', options)) offsets.set(partition, offset)
  return offsets
}

/** What a group has committed of a partition. */
export interface CommittedPosition {
  readonly offset: number
  /** Leader epoch of the last batch read below it; -1 where that is not known. */
  readonly leaderEpoch: number
}

/** What a group has committed; partitions without anything are left out. @throws BrokerError as a rejection. */
export async function committedPositions (
  cluster: Cluster, topic: TopicInfo, partitions: readonly number[], group: string, signal?: AbortSignal,
): Promise<Map<number, CommittedPosition>> {
  const asked = partitions.map(partition => ({ topicId: topic.id, partition }))
  return await whileRetriable(cluster, signal, async () => {
    const { message } = await cluster.request('fetchOffsets', { group, partitions: asked }, { signal })
    const positions = new Map<number, CommittedPosition>()
    for (const { error, message: text, partition, offset, leaderEpoch } of message.offsets) {
      if (error !== 0) throw serverError(error, text, { topic: topic.name, partition })
      if (offset >= 0) positions.set(partition, { offset, leaderEpoch })
    }
    return positions
  })
}

/**
 * Offsets by position or by time (milliseconds since 1970-01-01 UTC).
 *
 * @throws BrokerError as a rejection, where any partition fails.
 */
export async function listOffsets (
  cluster: Cluster, topic: TopicInfo, partitions: readonly number[], at: 'earliest' | 'latest' | number,
  options: { signal?: AbortSignal } = {},
): Promise<Offsets> {
  const position: OffsetPosition = typeof at === 'number' ? 'timestamp' : at
  const timestamp = typeof at === 'number' ? Math.ceil(at) : -1
  const timeoutMs = cluster.settings.requestTimeoutMs
  const asked = partitions.map(partition => ({ topicId: topic.id, partition, position, timestamp }))
  return await whileRetriable(cluster, options.signal, async () => {
    const { message } = await cluster.request('listOffsets', { timeoutMs, partitions: asked }, { signal: options.signal })
    const offsets: Offsets = new Map()
    for (const answer of message.partitions) {
      if (answer.error !== 0) {
        throw serverError(answer.error, answer.message, { topic: topic.name, partition: answer.partition })
      }
      offsets.set(answer.partition, answer.offset)
    }
    return offsets
  })
}
