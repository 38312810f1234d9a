// What the control store holds about a topic.
//
//   /topics/<name> → TopicRecord

import { LIMITS } from '../limits.js'
import { DEFAULT_QUEUE_SETTINGS, QUEUE_SETTINGS, parseQueueSetting, queueSettingsFault, type QueueSettings } from '../queue/queue-settings.js'
import { parseTopicSetting, DEFAULT_TOPIC_SETTINGS, TOPIC_SETTINGS, type TopicSettings } from './topic-config.js'

export interface TopicRecord {
  /** A UUID; a topic that is deleted and created again under its name has another one. */
  topicId: string
  name: string
  kind: 'stream' | 'queue'
  partitions: number
  /** How many partitions it was created with, where it has more now. */
  grownFrom?: number
  replicationFactor: number
  /** Settings that were set on the topic, in canonical text; all others have the broker's value. */
  overrides: Record<string, string>
  /** Milliseconds since 1970-01-01 UTC. */
  createdAt: number
  /** 1 at first, one more with each change: tells which of two copies is the newer one. */
  version: number
}

/** A queue keeps what nobody has settled for four days. */
const QUEUE_TOPIC_DEFAULTS = { 'retention.ms': String(4 * 24 * 3_600_000) }

/**
 * What a queue cannot do otherwise. Its groups remember what they have examined: if a power cut took records back that
 * they had seen, later records under the same offsets would pass for settled ones.
 */
const QUEUE_TOPIC_SETTINGS = { cleanup: 'delete', flush: 'sync' } as const

export const TOPIC_PREFIX = '/topics/'

export function topicKey (name: string): string {
  return TOPIC_PREFIX + name
}

/** Settings in force: built-in defaults under the broker's under the topic's own. */
export function settingsOf (record: TopicRecord, brokerDefaults: Readonly<Record<string, string>>): TopicSettings {
  if (record.kind === 'stream') return { ...DEFAULT_TOPIC_SETTINGS, ...brokerDefaults, ...record.overrides }
  return {
    ...DEFAULT_TOPIC_SETTINGS, ...QUEUE_TOPIC_DEFAULTS, ...brokerDefaults, ...record.overrides, ...QUEUE_TOPIC_SETTINGS,
  }
}

/** Settings of a queue's own group. */
export function queueSettingsOf ({ overrides }: TopicRecord): QueueSettings {
  const own = Object.entries(overrides).filter(([name]) => Object.hasOwn(QUEUE_SETTINGS, name))
  return { ...DEFAULT_QUEUE_SETTINGS, ...Object.fromEntries(own) }
}

/** Checks a setting of a topic of this kind: queues have their own beside those of every topic. */
export function parseSetting (kind: TopicRecord['kind'], name: string, text: string): { value: string } | { fault: string } {
  if (kind === 'stream' || Object.hasOwn(TOPIC_SETTINGS, name)) return parseTopicSetting(name, text)
  if (Object.hasOwn(QUEUE_SETTINGS, name)) return parseQueueSetting(name, text)
  const known = [...Object.keys(QUEUE_SETTINGS), ...Object.keys(TOPIC_SETTINGS)]
  return { fault: `unknown setting ${JSON.stringify(name)}; known are ${known.join(', ')}` }
}

/** Checks settings given by a user; the canonical ones, or what is wrong with the first bad one. */
export function parseOverrides (
  kind: TopicRecord['kind'], given: Readonly<Record<string, string>>,
): { overrides: Record<string, string> } | { fault: string } {
  const overrides: Record<string, string> = {}
  for (const [name, text] of Object.entries(given)) {
    const parsed = parseSetting(kind, name, text)
    if ('fault' in parsed) return parsed
    overrides[name] = parsed.value
  }
  return { overrides }
}

/** What settings that are each in range contradict together, for people; null where they agree. */
export function settingsFault (record: Pick<TopicRecord, 'kind' | 'name' | 'overrides'>): string | null {
  if (record.kind !== 'queue') return null
  if (record.overrides['dead.letter'] === record.name) {
    return `dead.letter is ${record.name} itself; a queue cannot hold its own dead letters: name another queue`
  }
  if ((record.overrides.cleanup ?? 'delete') !== 'delete') return 'cleanup is not delete; a queue removes its records when they are settled'
  if ((record.overrides.flush ?? 'sync') !== 'sync') {
    return 'flush is not sync; a queue keeps account of each record, so its records must not be lost to a power cut'
  }
  return queueSettingsFault(queueSettingsOf(record as TopicRecord))
}

/** True where the value has the shape of a record: what comes from a file is not trusted. */
export function isTopicRecord (value: unknown): value is TopicRecord {
  if (typeof value !== 'object' || value === null) return false
  const record = value as Record<string, unknown>
  return typeof record.topicId === 'string' && typeof record.name === 'string' &&
    (record.kind === 'stream' || record.kind === 'queue') &&
    Number.isInteger(record.partitions) && (record.partitions as number) > 0 &&
    (record.grownFrom === undefined || (Number.isInteger(record.grownFrom) && (record.grownFrom as number) > 0)) &&
    Number.isInteger(record.replicationFactor) && typeof record.createdAt === 'number' &&
    Number.isInteger(record.version) &&
    (record.partitions as number) <= LIMITS.partitionsPerTopic &&
    typeof record.overrides === 'object' && record.overrides !== null &&
    Object.entries(record.overrides).every(([name, text]) =>
      typeof text === 'string' && 'value' in parseSetting(record.kind as TopicRecord['kind'], name, text))
}
