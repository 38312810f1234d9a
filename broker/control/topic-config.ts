// The settings of a topic: one table from which validation, defaults, `topic describe` and the documentation come.

import type { LogConfig } from '@sluice/storage'
import { parseQuantity, quantityFault, type SettingRow } from './setting-row.js'

/** Values of all settings, as text, in their canonical form. */
export type TopicSettings = Readonly<Record<TopicSettingName, string>>

export type TopicSettingRow = SettingRow<'integer' | 'bytes' | 'duration' | 'choice'>

const MiB = 1024 * 1024
const DAY = 24 * 3_600_000
const YEAR_100 = 100 * 365 * DAY

export const TOPIC_SETTINGS = {
  cleanup: {
    kind: 'choice',
    default: 'delete',
    choices: ['delete', 'compact', 'both'],
    doc: 'How old records go: `delete` drops whole segments by age and size, `compact` keeps the newest record of each key, `both` does both. In a cluster nothing is compacted: all records stay.',
  },
  'retention.ms': {
    kind: 'duration',
    default: String(7 * DAY),
    min: -1,
    max: YEAR_100,
    doc: 'Segments whose last append is older are dropped; -1 for never.',
  },
  'retention.bytes': {
    kind: 'bytes',
    default: '-1',
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The oldest segments of a partition are dropped while it is larger than this; -1 for no bound.',
  },
  'segment.bytes': {
    kind: 'bytes',
    default: String(256 * MiB),
    min: 64 * 1024,
    max: 2048 * MiB,
    doc: 'Size at which a partition begins a new segment file.',
  },
  'max.batch.bytes': {
    kind: 'bytes',
    default: String(8 * MiB),
    min: 1024,
    max: 64 * MiB,
    doc: 'Largest record batch that is taken.',
  },
  flush: {
    kind: 'choice',
    default: 'sync',
    choices: ['sync', 'interval', 'none'],
    doc: 'When a record counts as stored. `sync`: after fdatasync; nothing acknowledged is lost by a power cut. `interval`: once written to the file, synced every `flush.interval.ms`; a power cut can lose that much. `none`: once written to the file; a power cut can lose whatever the operating system still held. None of them loses anything when only the process dies.',
  },
  replication: {
    kind: 'choice',
    default: 'quorum',
    choices: ['quorum', 'async'],
    doc: 'When a producer that asks for `quorum` is answered, in a cluster. `quorum`: once a majority of the replicas has the record. `async`: once the leader has it; records that were acknowledged are lost where the leader is lost before the others have them. Consumers see a record once a majority has it, with both.',
  },
  'flush.interval.ms': {
    kind: 'duration',
    default: '1000',
    min: 10,
    max: 600_000,
    doc: 'How often a topic with `flush` `interval` is synced.',
  },
  'tombstone.retention.ms': {
    kind: 'duration',
    default: String(DAY),
    min: 0,
    max: YEAR_100,
    doc: 'How long compaction keeps a record without a value, so that readers learn of the deletion.',
  },
  'compaction.lag.ms': {
    kind: 'duration',
    default: '0',
    min: 0,
    max: YEAR_100,
    doc: 'Records younger than this are not compacted.',
  },
} as const satisfies Record<string, TopicSettingRow>

export type TopicSettingName = keyof typeof TOPIC_SETTINGS

const NAMES = Object.keys(TOPIC_SETTINGS) as TopicSettingName[]

/** Every setting at its default. */
export const DEFAULT_TOPIC_SETTINGS: TopicSettings =
  Object.fromEntries(NAMES.map(name => [name, TOPIC_SETTINGS[name].default])) as TopicSettings

/**
 * Checks one setting; sizes may have a unit (`64MiB`) and so may durations (`7d`).
 *
 * @returns the canonical text, or what is wrong with it, for people.
 */
export function parseTopicSetting (name: string, text: string): { value: string } | { fault: string } {
  const row: TopicSettingRow | undefined = Object.hasOwn(TOPIC_SETTINGS, name)
    ? TOPIC_SETTINGS[name as TopicSettingName]
    : undefined
  if (row === undefined) return { fault: `unknown setting ${JSON.stringify(name)}; known are ${NAMES.join(', ')}` }
  if (row.kind === 'choice') {
    if (row.choices!.includes(text)) return { value: text }
    return { fault: `${name} is ${JSON.stringify(text)}; it must be one of ${row.choices!.join(', ')}` }
  }
  const value = parseQuantity(row.kind, text)
  if (value === null || value < row.min! || value > row.max!) {
    return { fault: quantityFault(name, text, row) }
  }
  return { value: String(value) }
}

/** The part of the settings that the log on disk needs. */
export function logConfigOf (settings: TopicSettings): LogConfig {
  const cleanup = settings.cleanup
  return {
    segmentBytes: Number(settings['segment.bytes']),
    flush: settings.flush as LogConfig['flush'],
    flushIntervalMs: Number(settings['flush.interval.ms']),
    retentionMs: Number(settings['retention.ms']),
    retentionBytes: Number(settings['retention.bytes']),
    cleanup: { delete: cleanup !== 'compact', compact: cleanup !== 'delete' },
    tombstoneRetentionMs: Number(settings['tombstone.retention.ms']),
    minCompactionLagMs: Number(settings['compaction.lag.ms']),
    indexIntervalBytes: 64 * 1024,
  }
}
