// Administration: topics, groups and brokers. Nothing here is on a hot path; every call is one request, or few.

import { partitionNumbers } from './partition-numbers.js'
import type {
  ChangePlacementRequest, ChangePlacementResponse, DescribeBrokerResponse, DescribeClusterResponse,
  ForceRecoverResponse, GroupDescription, ListedGroup, ListedTopic, MetadataResponse, TopicDescription,
} from '@sluice/protocol'
import { BrokerError, serverError } from './broker-error.js'
import type { Cluster } from './connection/cluster.js'
import type { TopicInfo } from './connection/metadata.js'
import { whileRetriable } from './retrying.js'
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
  /**
   * New number of replicas of each partition, odd, not above the number of brokers. They are copied, or removed, while
   * everything goes on; `clusterStatus` shows how far that is, and the number that was before calls it off.
   */
  replicas?: number
  /** Settings to set. */
  set?: Record<string, string | number | boolean>
  /** Settings to put back to their default. */
  unset?: string[]
  /** True to check everything and change nothing. */
  dryRun?: boolean
}

/** One partition, as it is held and as it is to be. */
export interface ReplicaMove {
  readonly partition: number
  /** Ids of the brokers that hold it, the leader first. */
  readonly from: readonly number[]
  /** Ids of those that are to hold it; the first is to lead. */
  readonly to: readonly number[]
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

export type PlacementAction = ChangePlacementRequest['action']

/** Moves that are going to be made, and what they cost. */
export type PlacementChange = Omit<ChangePlacementResponse, 'error' | 'message'>

/** Where a partition goes on. */
export type ForcedRecovery = Omit<ForceRecoverResponse, 'error' | 'message'>

/** Brokers of a cluster with what they hold, and moves under way. */
export type ClusterStatus = DescribeClusterResponse

/** Settings of a queue; what is left out takes the broker's default. Values out of range are refused with the range. */
export interface QueueSettings {
  /** How long a consumer has for a record before others get it, in milliseconds, 1 s to 12 h. Default 30 s. */
  visibilityMs?: number
  /** Longest time of one delivery, with all extensions, in milliseconds, 1 s to 24 h. Default 12 h. */
  leaseTotalMs?: number
  /** Failed attempts after which a record is given up, 1 to 1,000. Default 5. */
  maxAttempts?: number
  /** Bound of the random delay before the second attempt, in milliseconds, 0 to 1 h; it doubles. Default 1 s. */
  backoffMinMs?: number
  /** Highest bound of that delay, in milliseconds, 0 to 24 h. Default 5 min. */
  backoffMaxMs?: number
  /** How long leases of workers outlive their connection, in milliseconds, 0 to 5 min. Default 10 s. */
  disconnectGraceMs?: number
  /** Silence after which a worker counts as disconnected, in milliseconds, 1 s to 5 min. Default 10 s. */
  sessionTimeoutMs?: number
  /** Records leased at the same time, per partition, 1 to 1,000,000. Default 20,000. */
  maxInFlight?: number
  /** What keeps its order: nothing, records of a key, keys by turns, or priorities first. Default none. */
  order?: 'none' | 'key' | 'fair' | 'priority'
  /** Order `key`: consecutive records of a key that a worker gets at once, 1 to 1,000. Default 10. */
  runMax?: number
  /** Order `key`: what a record that is given up does to its key. Default dlq-one: the key goes on without it. */
  poison?: 'dlq-one' | 'dlq-key' | 'hold'
  /** Order `key`: records without a key are refused (default), or each handed out on its own. */
  keyless?: 'refuse' | 'unordered'
  /** Order `fair`: records of a key leased at the same time, 0 (no bound, the default) to 1,000,000. */
  keyConcurrency?: number
  /** Order `priority`: after so long a record counts as one priority higher, in milliseconds. Default 10 s. */
  priorityAgeingMs?: number
  /** Queue for records that are given up. Default: they are dropped, and counted. */
  deadLetter?: string
  /** What becomes of a record whose time to live is over. Default drop. */
  ttlAction?: 'drop' | 'dead-letter'
  /** How long a dedup id is taken: for a time (default), or until its record is settled for good. */
  dedupScope?: 'window' | 'until-settled'
  /** Scope `window`: for how long, in milliseconds, 1 s to 24 h. Default 5 min. */
  dedupWindowMs?: number
}

/** Options of `createQueue`. */
export interface CreateQueueOptions extends Omit<CreateTopicOptions, 'kind'>, QueueSettings {}

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

  /**
   * Creates a queue.
   *
   * @throws BrokerError ALREADY_EXISTS, INVALID naming the setting and its range; maybeApplied where the answer went
   *   missing.
   */
  async createQueue (name: string, options: CreateQueueOptions = {}): Promise<CreatedTopicInfo> {
    const { partitions, replicas, dryRun, signal, timeoutMs, config, ...settings } = options
    const named = Object.entries(settings).filter(([, value]) => value !== undefined).map(([name, value]) =>
      // visibilityMs is visibility.ms
      [name.replace(/[A-Z]/g, letter => `.${letter.toLowerCase()}`), value] as const)
    return this.createTopic(name, {
      partitions, replicas, dryRun, signal, timeoutMs, kind: 'queue', config: { ...config, ...Object.fromEntries(named) },
    })
  }

  /** Deletes a topic with all its data. @throws BrokerError UNKNOWN_TOPIC */
  async deleteTopic (name: string, options: CallOptions = {}): Promise<void> {
    const { message } = await this.cluster.request('deleteTopics', {
      timeoutMs: this.timeoutMs(options), names: [name],
    }, { ...options, repeatable: false })
    only(message.topics, { topic: name })
  }

  /**
   * Changes settings of a topic, adds partitions, or changes the number of replicas.
   *
   * @returns what a new number of replicas brings about, by partition; with `dryRun` what it would.
   * @throws BrokerError INVALID where the topic cannot be so, saying why; UNKNOWN_TOPIC.
   */
  async alterTopic (name: string, options: AlterTopicOptions): Promise<ReplicaMove[]> {
    const { partitions = 0, replicas, set = {}, unset = [], dryRun = false } = options
    if (replicas !== undefined && !(Number.isSafeInteger(replicas) && replicas > 0)) {
      throw new BrokerError('INVALID', `replicas is ${replicas}; it must be a whole number from 1 on`, { topic: name })
    }
    const { message } = await this.cluster.request('alterTopics', {
      timeoutMs: this.timeoutMs(options),
      validateOnly: dryRun,
      topics: [{ name, partitions, replicationFactor: replicas ?? 0, set: textValues(set), unset }],
    }, options)
    const { moves } = only(message.topics, { topic: name })
    if (partitions > 0 && !dryRun) await this.cluster.metadata.refresh(name)
    return moves
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

  /** Brokers with what they hold, and the moves that are under way. */
  async clusterStatus (options: CallOptions = {}): Promise<DescribeClusterResponse> {
    const { message } = await this.cluster.request('describeCluster', {}, options)
    return message
  }

  /**
   * Changes which brokers hold what. The moves go on by themselves; `clusterStatus` shows how far they are.
   *
   * @param action even out replicas and leaders, or leaders only; empty a broker, which takes no new replicas from then
   *   on, or let it take some again; call off all moves that are not done.
   * @param options broker: the one to drain or undrain. dryRun: tell what would be done and do nothing.
   */
  async changePlacement (
    action: PlacementAction, options: CallOptions & { broker?: number, dryRun?: boolean } = {},
  ): Promise<PlacementChange> {
    const { broker: brokerId = -1, dryRun = false } = options
    const { timeoutMs, signal } = options
    const { message } = await this.cluster.request('changePlacement', { action, brokerId, dryRun },
      { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) })
    throwOnError(message, {})
    const { moves, copies, copiesLeast, leaderChanges } = message
    return { moves, copies, copiesLeast, leaderChanges }
  }

  /**
   * Says which brokers are to hold a partition. It is moved while everything goes on; `clusterStatus` shows how far
   * that is.
   *
   * @param replicas ids of as many brokers as the topic has replicas; the first is to lead.
   * @param options dryRun: tell what would be done and do nothing.
   * @throws BrokerError INVALID naming what is wrong; UNKNOWN_TOPIC, UNKNOWN_PARTITION.
   */
  async moveReplicas (
    topic: string, partition: number, replicas: readonly number[], options: CallOptions & { dryRun?: boolean } = {},
  ): Promise<ReplicaMove> {
    const { dryRun = false, ...rest } = options
    const { message } = await this.cluster.request('moveReplicas', { topic, partition, replicas: [...replicas], dryRun }, rest)
    throwOnError(message, { topic, partition })
    return { partition, from: message.from, to: message.to }
  }

  /**
   * Lets a partition go on without a majority of its replicas, which is gone for ever. Records that were acknowledged
   * may be lost.
   *
   * @param survivors ids of the brokers whose replicas go on.
   */
  async forceRecover (
    topic: string, partition: number, survivors: readonly number[], options: CallOptions & { dryRun?: boolean } = {},
  ): Promise<ForcedRecovery> {
    const { dryRun = false, ...rest } = options
    const { message } = await this.cluster.request('forceRecover', { topic, partition, survivors: [...survivors], dryRun }, rest)
    throwOnError(message, { topic, partition })
    const { epoch, leader, givenUp } = message
    return { epoch, leader, givenUp }
  }

  private async commit (
    group: string, info: TopicInfo, offsets: readonly (readonly [number, number])[], options: CallOptions,
  ): Promise<void> {
    if (offsets.length === 0) return
    const request = {
      group,
      memberId: '',
      generation: -1,
      offsets: offsets.map(([partition, offset]) => ({
        topicId: info.id, partition, offset, leaderEpoch: -1, metadata: null,
      })),
    }
    await whileRetriable(this.cluster, options.signal, async () => {
      const { message } = await this.cluster.request('commitOffsets', request, options)
      for (const result of message.results) throwOnError(result, { topic: info.name, partition: result.partition })
    })
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
