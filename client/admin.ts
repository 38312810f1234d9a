// Administration: topics, groups and brokers. Nothing here is on a hot path; every call is one request, or few.

import { partitionNumbers } from './partition-numbers.js'
import type {
  DescribeBrokerResponse, GroupDescription, ListedGroup, ListedTopic, MetadataResponse, TopicDescription,
} from '@sluice/protocol'
import { BrokerError, serverError } from './broker-error.js'
import type { Cluster } from './connection/cluster.js'
import type { TopicInfo } from './connection/metadata.js'
import { checkStart, listOffsets, parseDurationMs, resolveStart, type Start } from './start.js'

/** Options that every call takes. */
export interface CallOptions {
  signal?: AbortSignal
  /** Deadline of the call with all its retries, in milliseconds. Default: requestTimeoutMs of the client. */
  timeoutMs?: number
}

/** Options of `createTopic`. */
export interface CreateTopicOptions extends CallOptions {
  /** Number of partitions; default of the broker where left out. */
  partitions?: number
  /** Number of replicas; default of the broker where left out. */
  replicas?: number
  /** Settings by name, such as `retention.ms`; `describeTopic` lists them all. */
  config?: Record<string, string | number | boolean>
  /** How it is meant to be read. Default stream. */
  kind?: 'stream' | 'queue'
  /** True to check everything and create nothing. */
  dryRun?: boolean
}

/** A topic that was created. */
export interface CreatedTopicInfo { readonly topicId: string, readonly partitions: number, readonly replicas: number }

/** Options of `alterTopic`. */
export interface AlterTopicOptions extends CallOptions {
  /** New number of partitions, not below the present one. Keys change their partition with it. */
  partitions?: number
  /** Settings to set. */
  set?: Record<string, string | number | boolean>
  /** Settings to put back to their default. */
  unset?: string[]
  /** True to check everything and change nothing. */
  dryRun?: boolean
}

/** How far a group has read one partition. */
export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** Next offset to be read. */
  readonly offset: number
  /** When it was committed, in milliseconds since 1970-01-01 UTC; -1 where unknown. */
  readonly committedAt: number
  readonly metadata: string | null
}

/** How far a group is behind in one partition. */
export interface GroupLag {
  readonly topic: string
  readonly partition: number
  /** Next offset to be read; null where the group has committed none. */
  readonly offset: number | null
  /** First offset that is held. */
  readonly logStartOffset: number
  /** Offset after the last committed record. */
  readonly highWatermark: number
  /** Records between `offset` and the end; all that are held where the group has no offset. */
  readonly records: number
  /** Member that works on the partition; null where none does. */
  readonly memberId: string | null
}

/** A move of a group's offset. */
export interface OffsetMove {
  readonly partition: number
  /** Offset before; -1 where there was none. */
  readonly from: number
  readonly to: number
}

/** Deletion of records in one partition. */
export interface DeletedRecords { readonly partition: number, readonly logStartOffset: number }

/** The brokers of the cluster. */
export type ClusterDescription = Pick<MetadataResponse, 'clusterId' | 'controllerId' | 'brokers'>

/** Administration of topics, groups and brokers. All calls reject with a BrokerError. */
export class Admin {
  private readonly cluster: Cluster

  constructor (cluster: Cluster) {
    this.cluster = cluster
  }

  /** Creates a topic. @throws BrokerError ALREADY_EXISTS, INVALID; maybeApplied where the answer went missing. */
  async createTopic (name: string, options: CreateTopicOptions = {}): Promise<CreatedTopicInfo> {
    const { partitions = 0, replicas = 0, config = {}, kind = 'stream', dryRun = false } = options
    const topic = { name, kind, partitions, replicationFactor: replicas, config: textValues(config) }
    const { message } = await this.cluster.request('createTopics', {
      timeoutMs: this.timeoutMs(options), validateOnly: dryRun, topics: [topic],
    }, { ...options, repeatable: false })
    const created = only(message.topics, { topic: name })
    return { topicId: created.topicId, partitions: created.partitions, replicas: created.replicationFactor }
  }

  /** Deletes a topic with all its data. @throws BrokerError UNKNOWN_TOPIC */
  async deleteTopic (name: string, options: CallOptions = {}): Promise<void> {
    const { message } = await this.cluster.request('deleteTopics', {
      timeoutMs: this.timeoutMs(options), names: [name],
    }, { ...options, repeatable: false })
    only(message.topics, { topic: name })
  }

  /** Changes settings of a topic, or adds partitions. */
  async alterTopic (name: string, options: AlterTopicOptions): Promise<void> {
    const { partitions = 0, set = {}, unset = [], dryRun = false } = options
    const { message } = await this.cluster.request('alterTopics', {
      timeoutMs: this.timeoutMs(options),
      validateOnly: dryRun,
      topics: [{ name, partitions, set: textValues(set), unset }],
    }, options)
    only(message.topics, { topic: name })
    if (partitions > 0 && !dryRun) await this.cluster.metadata.refresh(name)
  }

  /** Names of all topics, sorted. */
  async listTopics (options: CallOptions = {}): Promise<string[]> {
    return (await this.listTopicSummaries(options)).map(topic => topic.name)
  }

  /** All topics with their number of partitions and replicas, by name. */
  async listTopicSummaries (options: CallOptions = {}): Promise<ListedTopic[]> {
    const { message } = await this.cluster.request('listTopics', {}, options)
    return message.topics.sort((a, b) => a.name < b.name ? -1 : 1)
  }

  /** Settings and partition states of one topic. @throws BrokerError UNKNOWN_TOPIC */
  async describeTopic (name: string, options: CallOptions = {}): Promise<TopicDescription> {
    return (await this.describeTopics([name], options))[0]!
  }

  /** The same of several topics, or of all. @throws BrokerError UNKNOWN_TOPIC where one of those named is missing. */
  async describeTopics (names?: readonly string[], options: CallOptions = {}): Promise<TopicDescription[]> {
    const { message } = await this.cluster.request('describeTopics', { names: names === undefined ? null : [...names] }, options)
    for (const topic of message.topics) throwOnError(topic, { topic: topic.name })
    return message.topics
  }

  /**
   * Deletes records below an offset for good.
   *
   * @param before offset by partition; `'all'` for everything that there is now.
   */
  async deleteRecords (
    topic: string, before: Record<number, number> | 'all', options: CallOptions = {},
  ): Promise<DeletedRecords[]> {
    const info = await this.topicInfo(topic)
    const wanted = before === 'all'
      ? partitionNumbers(info).map(partition => [partition, -1] as const)
      : Object.entries(before).map(([partition, offset]) => [Number(partition), offset] as const)
    const { message } = await this.cluster.request('deleteRecords', {
      timeoutMs: this.timeoutMs(options),
      partitions: wanted.map(([partition, beforeOffset]) => ({ topicId: info.id, partition, beforeOffset })),
    }, options)
    return message.partitions.map(result => {
      throwOnError(result, { topic, partition: result.partition })
      return { partition: result.partition, logStartOffset: result.logStartOffset }
    })
  }

  /**
   * Finds an offset in each partition.
   *
   * @param at the first held, the end, or the first record at or after a time; where none is as late: the end.
   */
  async listOffsets (
    topic: string, at: 'earliest' | 'latest' | Date | { ago: string },
    options: CallOptions & { partitions?: readonly number[] } = {},
  ): Promise<{ partition: number, offset: number }[]> {
    const info = await this.topicInfo(topic)
    const position = typeof at === 'string' ? at : at instanceof Date ? at.getTime() : Date.now() - parseDurationMs(at.ago)
    const partitions = options.partitions ?? partitionNumbers(info)
    const offsets = await listOffsets(this.cluster, info, partitions, position, options)
    return [...offsets].map(([partition, offset]) => ({ partition, offset }))
  }

  /** All groups by name: those with members and those with a committed offset. */
  async listGroups (options: CallOptions = {}): Promise<ListedGroup[]> {
    const { message } = await this.cluster.request('listGroups', {}, options)
    return message.groups.sort((a, b) => a.group < b.group ? -1 : 1)
  }

  /** Members and assignment of a group. @throws BrokerError UNKNOWN_GROUP */
  async describeGroup (group: string, options: CallOptions = {}): Promise<GroupDescription> {
    return (await this.describeGroups([group], options))[0]!
  }

  /** The same of several groups. @throws BrokerError UNKNOWN_GROUP where one is missing. */
  async describeGroups (groups: readonly string[], options: CallOptions = {}): Promise<GroupDescription[]> {
    const { message } = await this.cluster.request('describeGroups', { groups: [...groups] }, options)
    for (const group of message.groups) throwOnError(group, {})
    return message.groups
  }

  /** Deletes a group and its offsets. @throws BrokerError INVALID where it has members. */
  async deleteGroup (group: string, options: CallOptions = {}): Promise<void> {
    const { message } = await this.cluster.request('deleteGroups', { groups: [group] }, options)
    only(message.groups, {})
  }

  /** Committed offsets of a group, of one topic or of all, by topic and partition. */
  async offsets (group: string, topic?: string, options: CallOptions = {}): Promise<GroupOffset[]> {
    const { message } = await this.cluster.request('fetchOffsets', { group, partitions: null }, options)
    const found: GroupOffset[] = []
    for (const answer of message.offsets) {
      if (topic !== undefined && answer.topic !== topic) continue
      throwOnError(answer, { topic: answer.topic, partition: answer.partition })
      if (answer.offset < 0) continue
      const { partition, offset, committedAt, metadata } = answer
      found.push({ topic: answer.topic, partition, offset, committedAt, metadata })
    }
    return found.sort((a, b) => a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1)
  }

  /**
   * How far a group is behind, for every partition of the topics that it reads or has read, by topic and partition.
   *
   * @throws BrokerError UNKNOWN_GROUP
   */
  async groupLag (group: string, options: CallOptions = {}): Promise<GroupLag[]> {
    const description = await this.describeGroup(group, options)
    const committed = await this.offsets(group, undefined, options)
    const topics = new Set(committed.map(offset => offset.topic))
    for (const member of description.members) for (const topic of member.topics) topics.add(topic)
    const found: GroupLag[] = []
    for (const topic of [...topics].sort()) {
      const info = await this.topicInfo(topic).catch(ignoreUnknownTopic)
      if (info === null) continue
      const [first, end] = await Promise.all([
        listOffsets(this.cluster, info, partitionNumbers(info), 'earliest', options),
        listOffsets(this.cluster, info, partitionNumbers(info), 'latest', options),
      ])
      for (const partition of partitionNumbers(info)) {
        const offset = committed.find(row => row.topic === topic && row.partition === partition)?.offset ?? null
        const logStartOffset = first.get(partition)!
        const highWatermark = end.get(partition)!
        const records = Math.max(0, highWatermark - Math.max(offset ?? logStartOffset, logStartOffset))
        const memberId = ownerOf(description, topic, partition)
        found.push({ topic, partition, offset, logStartOffset, highWatermark, records, memberId })
      }
    }
    return found
  }

  /**
   * Moves the committed offsets of a group that has no members, clamped to what is held.
   *
   * @returns the moves, also with `dryRun`, which makes none of them.
   * @throws BrokerError where the group has members, among others.
   */
  async resetOffsets (
    group: string, topic: string, to: Start, options: CallOptions & { dryRun?: boolean } = {},
  ): Promise<OffsetMove[]> {
    checkStart(to, 'to')
    const info = await this.topicInfo(topic)
    const wanted = await resolveStart(this.cluster, info, partitionNumbers(info), to, { group, signal: options.signal })
    const partitions = [...wanted.keys()]
    const [first, end, before] = await Promise.all([
      listOffsets(this.cluster, info, partitions, 'earliest', options),
      listOffsets(this.cluster, info, partitions, 'latest', options),
      this.offsets(group, topic, options),
    ])
    const moves = partitions.map(partition => ({
      partition,
      from: before.find(row => row.partition === partition)?.offset ?? -1,
      to: Math.min(Math.max(wanted.get(partition)!, first.get(partition)!), end.get(partition)!),
    }))
    if (options.dryRun === true) return moves
    await this.commit(group, info, moves.map(move => [move.partition, move.to] as const), options)
    return moves
  }

  /** Removes the committed offsets of a group in a topic, so that it starts anew there. The group must be empty. */
  async deleteOffsets (
    group: string, topic: string, options: CallOptions & { partitions?: readonly number[] } = {},
  ): Promise<void> {
    const info = await this.topicInfo(topic)
    const partitions = options.partitions ?? partitionNumbers(info)
    await this.commit(group, info, partitions.map(partition => [partition, -1] as const), options)
  }

  /** State, limits and options of one broker. @param options broker: its id; left out: the one that is connected. */
  async describeBroker (options: CallOptions & { broker?: number } = {}): Promise<DescribeBrokerResponse> {
    const { message } = await this.cluster.request('describeBroker', {}, options)
    return message
  }

  /** The brokers of the cluster. */
  async describeCluster (options: CallOptions = {}): Promise<ClusterDescription> {
    const { message } = await this.cluster.request('metadata', { topics: [] }, options)
    const { clusterId, controllerId, brokers } = message
    return { clusterId, controllerId, brokers }
  }

  private async commit (
    group: string, info: TopicInfo, offsets: readonly (readonly [number, number])[], options: CallOptions,
  ): Promise<void> {
    if (offsets.length === 0) return
    const { message } = await this.cluster.request('commitOffsets', {
      group,
      memberId: '',
      generation: -1,
      offsets: offsets.map(([partition, offset]) => ({
        topicId: info.id, partition, offset, leaderEpoch: -1, metadata: null,
      })),
    }, options)
    for (const result of message.results) throwOnError(result, { topic: info.name, partition: result.partition })
  }

  /** The topic as it is now: administration never works on a remembered id. */
  private topicInfo (topic: string): Promise<TopicInfo> {
    return this.cluster.metadata.refresh(topic)
  }

  private timeoutMs (options: CallOptions): number {
    return options.timeoutMs ?? this.cluster.settings.requestTimeoutMs
  }
}

function only<T extends { error: number, message: string }> (results: readonly T[], details: { topic?: string }): T {
  const result = results[0]
  if (result === undefined) throw new BrokerError('PROTOCOL', 'the broker left the result out of its answer', details)
  throwOnError(result, details)
  return result
}

function throwOnError (
  result: { error: number, message: string }, details: { topic?: string, partition?: number },
): void {
  if (result.error !== 0) throw serverError(result.error, result.message, details)
}

function textValues (config: Record<string, string | number | boolean>): Record<string, string> {
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]))
}

function ownerOf (group: GroupDescription, topic: string, partition: number): string | null {
  const owner = group.members.find(member =>
    member.assigned.some(assigned => assigned.topic === topic && assigned.partitions.includes(partition)))
  return owner?.memberId ?? null
}

function ignoreUnknownTopic (error: unknown): null {
  if (BrokerError.is(error) && error.code === 'UNKNOWN_TOPIC') return null
  throw error
}
