// What a topic may be, and what may become of it: the checks that a single broker and a cluster share.

import { randomUUID } from 'node:crypto'
import { ERROR, topicNameFault } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import { parseOverrides, settingsFault, type TopicRecord } from './topic-record.js'
import type { NewTopic, Refusal, TopicChange } from './topics.js'

/** What a topic has to fit into. */
export interface TopicBounds {
  /** Partitions of a topic that does not say how many. */
  readonly defaultPartitions: number
  /** Partitions that there are. */
  readonly partitionsHeld: number
  readonly partitionsMax: number
}

/** The record of a topic that nobody knows yet, or what is wrong with it. The name is not looked up. */
export function newTopicRecord (
  topic: NewTopic, bounds: TopicBounds & { replicationFactor: number, wallMs: number },
): TopicRecord | Refusal {
  const fault = topicNameFault(topic.name)
  if (fault !== null) return { error: ERROR.INVALID_TOPIC_NAME, message: fault }
  const partitions = topic.partitions === 0 ? bounds.defaultPartitions : topic.partitions
  const refusal = partitionsFault(partitions, partitions, bounds)
  if (refusal !== null) return refusal
  const parsed = parseOverrides(topic.kind, topic.config)
  if ('fault' in parsed) return { error: ERROR.INVALID_CONFIG, message: parsed.fault }
  const conflict = settingsFault({ kind: topic.kind, name: topic.name, overrides: parsed.overrides })
  if (conflict !== null) return { error: ERROR.INVALID_CONFIG, message: conflict }
  return {
    topicId: randomUUID(),
    name: topic.name,
    kind: topic.kind,
    partitions,
    replicationFactor: bounds.replicationFactor,
    overrides: parsed.overrides,
    createdAt: bounds.wallMs,
    version: 1,
  }
}

/** The record after a change, or why it cannot be made. Whether there are as many brokers is asked before. */
export function changedTopicRecord (
  record: TopicRecord, change: TopicChange, bounds: TopicBounds,
): TopicRecord | Refusal {
  const partitions = change.partitions === 0 ? record.partitions : change.partitions
  if (partitions < record.partitions) {
    return {
      error: ERROR.INVALID_PARTITIONS,
      message: `topic ${record.name} has ${record.partitions} partitions; they cannot become fewer, since that would lose records`,
    }
  }
  if (partitions > record.partitions && record.kind === 'queue' && record.overrides.order === 'key') {
    return {
      error: ERROR.INVALID_PARTITIONS,
      message: `queue ${record.name} keeps the order of keys and its ${record.partitions} partitions: with more of them ` +
        'keys would go to other partitions and overtake what is in these; create another queue',
    }
  }
  const refusal = partitionsFault(partitions, partitions - record.partitions, bounds)
  if (refusal !== null) return refusal
  const replicationFactor = change.replicationFactor === 0 ? record.replicationFactor : change.replicationFactor
  const parsed = parseOverrides(record.kind, change.set)
  if ('fault' in parsed) return { error: ERROR.INVALID_CONFIG, message: parsed.fault }
  const overrides = { ...record.overrides, ...parsed.overrides }
  for (const name of change.unset) {
    if (!Object.hasOwn(overrides, name)) {
      return { error: ERROR.INVALID_CONFIG, message: `setting ${JSON.stringify(name)} is not set on topic ${record.name}; it has ${Object.keys(record.overrides).join(', ') || 'none'}` }
    }
    delete overrides[name]
  }
  if (record.kind === 'queue' && overrides.order !== record.overrides.order) {
    return { error: ERROR.INVALID_CONFIG, message: `the order of queue ${record.name} does not change; create another queue` }
  }
  const conflict = settingsFault({ kind: record.kind, name: record.name, overrides })
  if (conflict !== null) return { error: ERROR.INVALID_CONFIG, message: conflict }
  const growth = partitions > record.partitions ? { grownFrom: record.grownFrom ?? record.partitions } : {}
  return { ...record, partitions, ...growth, replicationFactor, overrides, version: record.version + 1 }
}

/**
 * What is wrong with a number of replicas that somebody asks for; null where nothing is.
 *
 * @param brokers that take replicas.
 */
export function replicationFault (replicationFactor: number, brokers: number): Refusal | null {
  const of = `replication factor ${replicationFactor} is not possible`
  if (replicationFactor < 1 || replicationFactor > brokers) {
    const take = brokers === 1 ? '1 broker that takes' : `${brokers} brokers that take`
    const use = brokers <= 1 ? 'use 1' : `use 1 to ${brokers}`
    return { error: ERROR.INVALID_REPLICATION, message: `${of}: this cluster has ${take} replicas; ${use}` }
  }
  if (replicationFactor % 2 === 1) return null
  return {
    error: ERROR.INVALID_REPLICATION,
    message: `${of}: a majority of ${replicationFactor} outlives no more losses than one of ${replicationFactor - 1}; ` +
      `use ${replicationFactor - 1}${replicationFactor < brokers ? ` or ${replicationFactor + 1}` : ''}`,
  }
}

function partitionsFault (partitions: number, added: number, bounds: TopicBounds): Refusal | null {
  if (partitions < 1 || partitions > LIMITS.partitionsPerTopic) {
    return { error: ERROR.INVALID_PARTITIONS, message: `${partitions} partitions are not possible; use 1 to ${LIMITS.partitionsPerTopic}` }
  }
  const { partitionsHeld, partitionsMax } = bounds
  const room = partitionsMax - partitionsHeld
  if (added <= room) return null
  return { error: ERROR.INVALID_PARTITIONS, message: `the broker holds ${partitionsHeld} partitions and takes ${room} more, not ${added}` }
}

export function topicExists (name: string): Refusal {
  return { error: ERROR.TOPIC_EXISTS, message: `topic ${name} exists already; choose another name or use it as it is` }
}

export function topicChangedMeanwhile (name: string): Refusal {
  return { error: ERROR.BUSY, message: `topic ${name} was changed by somebody else just now; look at it and retry` }
}

export function unknownTopic (name: string): Refusal {
  return { error: ERROR.UNKNOWN_TOPIC, message: `there is no topic ${JSON.stringify(name.slice(0, 100))}; see sluice topic list` }
}
