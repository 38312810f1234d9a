// What the control store holds about a topic.
//
//   /topics/<name> → TopicRecord

import { LIMITS } from '../limits.js'
import { parseTopicSetting, DEFAULT_TOPIC_SETTINGS, type TopicSettings } from './topic-config.js'

export interface TopicRecord {
  /** A UUID; a topic that is deleted and created again under its name has another one. */
  topicId: string
  name: string
  kind: 'stream' | 'queue'
  partitions: number
  replicationFactor: number
  /** Settings that were set on the topic, in canonical text; all others have the broker's value. */
  overrides: Record<string, string>
  /** Milliseconds since 1970-01-01 UTC. */
  createdAt: number
  /** 1 at first, one more with each change: tells which of two copies is the newer one. */
  version: number
}

export const TOPIC_PREFIX = '/topics/'

export function topicKey (name: string): string {
  return TOPIC_PREFIX + name
}

/** Settings in force: built-in defaults under the broker's under the topic's own. */
export function settingsOf (record: TopicRecord, brokerDefaults: Readonly<Record<string, string>>): TopicSettings {
  return { ...DEFAULT_TOPIC_SETTINGS, ...brokerDefaults, ...record.overrides }
}

/** Checks settings given by a user; the canonical ones, or what is wrong with the first bad one. */
export function parseOverrides (
  given: Readonly<Record<string, string>>,
): { overrides: Record<string, string> } | { fault: string } {
  const overrides: Record<string, string> = {}
  for (const [name, text] of Object.entries(given)) {
    const parsed = parseTopicSetting(name, text)
    if ('fault' in parsed) return parsed
    overrides[name] = parsed.value
  }
  return { overrides }
}

/** True where the value has the shape of a record: what comes from a file is not trusted. */
export function isTopicRecord (value: unknown): value is TopicRecord {
  if (typeof value !== 'object' || value === null) return false
  const record = value as Record<string, unknown>
  return typeof record.topicId === 'string' && typeof record.name === 'string' &&
    (record.kind === 'stream' || record.kind === 'queue') &&
    Number.isInteger(record.partitions) && (record.partitions as number) > 0 &&
    Number.isInteger(record.replicationFactor) && typeof record.createdAt === 'number' &&
    Number.isInteger(record.version) &&
    (record.partitions as number) <= LIMITS.partitionsPerTopic &&
    typeof record.overrides === 'object' && record.overrides !== null &&
    Object.entries(record.overrides).every(([name, text]) =>
      typeof text === 'string' && 'value' in parseTopicSetting(name, text))
}
