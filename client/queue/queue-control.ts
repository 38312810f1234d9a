// Looking at a queue and changing it from outside: what is in it, why a record does not come, cancel, pause, redrive.
//
// Every call is one request for each leader, or few. A record is named by its id, or by its dedup id; where it is not
// known in which partition that is, all are asked.

import {
  ERROR, laneOf, type ChangeAnswer, type ControlResult, type QueueRecordState, type QueueStats as PartitionQueueStats,
  type RecordExplanation as AnsweredExplanation,
} from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import { invalidOption } from '../client-options.js'
import type { Cluster } from '../connection/cluster.js'
import type { TopicInfo } from '../connection/metadata.js'
import { StoredRecord, type RecordOrigin } from '../consumer/stored-record.js'
import { partitionNumbers } from '../partition-numbers.js'
import { partitionOfKey } from '../producer/partitioner.js'
import type { InRecord } from '../records.js'
import type { Serde } from '../serdes.js'
import { delay, retryDelayMs } from '../waiting.js'
import { readGranted } from './granted-records.js'
import type { LeaseHandle } from './lease-handle.js'
import { checkDedupId, checkDelay, checkObject, checkTime, whole } from './queue-options.js'
import { Redrive, redriveRequest, type RedriveOptions, type RedriveStatus } from './redrive.js'

/** Options that every call takes. */
export interface CallOptions {
  signal?: AbortSignal
  /** Deadline of the call with all its retries, in milliseconds. Default: requestTimeoutMs of the client. */
  timeoutMs?: number
}

/** A record of a queue: its id (`partition:offset`), or its dedup id, best with its key where it has one. */
export type RecordTarget<K> = string | { partition: number, offset: number } | { dedupId: string, key?: K }

/** What became of a cancel or a reschedule. */
export type ChangeOutcome = 'ok' | 'requested' | 'leased' | 'already-terminal' | 'unknown'

/** Where a record stands, and why. */
export interface RecordExplanation extends Omit<AnsweredExplanation, 'error' | 'message'> {
  /** Why the dead letter that is being written has not been stored yet; empty otherwise. */
  readonly waitsFor: string
  readonly partition: number
}

/** Figures of one partition of a queue. */
export type PartitionStats = Omit<PartitionQueueStats, 'error' | 'message' | 'topicId' | 'group'>

/** Figures of a queue: counts summed, ages the highest of its partitions (-1 where there is no such record). */
export interface QueueStatistics extends Record<SummedCount | HighestAge, number> {
  /** Sessions that have leases or wait for records. */
  readonly sessions: number
  readonly paused: boolean
  readonly partitions: readonly PartitionStats[]
}

/** A record that was looked at without leasing it. */
export interface PeekedRecord<K, V>
  extends Pick<InRecord<K, V>, 'topic' | 'partition' | 'offset' | 'timestamp' | 'key' | 'value' | 'headers'> {
  readonly id: string
  readonly state: QueueRecordState
  readonly failures: number
  readonly deliveries: number
  /** leased: until the lease ends; delayed: until it is due; in milliseconds. -1 where no time runs. */
  readonly timeLeftMs: number
  /** Its bytes are damaged on the broker's disk: no key, value or headers, and the timestamp is -1. */
  readonly damaged: boolean
}

/** What to look at. */
export interface PeekOptions extends CallOptions {
  /** Most records, 1 to 1,000. Default 100. */
  maxRecords?: number
  /** Default all. */
  partitions?: readonly number[]
  /** Offset to begin at in each partition. Default: the oldest record that is not settled. */
  from?: number
  /** States to show. Default: all but `terminal`. */
  states?: readonly QueueRecordState[]
}

const AGES = [
  'oldestFreshAgeMs', 'oldestReadyAgeMs', 'oldestLeasedAgeMs', 'oldestDelayedAgeMs', 'oldestBlockedAgeMs',
  'oldestDeadLetterPendingAgeMs',
] as const
const COUNTS = [
  'ready', 'leased', 'delayed', 'blocked', 'deadLetterPending', 'fresh', 'acknowledged', 'cancelled', 'expired', 'dead',
  'archived', 'purged', 'duplicates', 'damaged', 'busyLanes', 'stoppedLanes',
] as const
/** See COUNTS. */
type SummedCount = typeof COUNTS[number]
/** See AGES. */
type HighestAge = typeof AGES[number]
const PEEK_BYTES_MAX = 4 * 1024 * 1024
const NEVER = new AbortController().signal
/** Partitions in one request. */
const ITEMS_MAX = 500

/** One item of an answer. */
interface Answered { readonly error: number, readonly message: string }
/** What became of a cancel or a reschedule. */
interface AnsweredChange extends Answered { readonly answer: ChangeAnswer }
/** Names a partition and group in a request. */
interface GroupPlace { readonly topicId: string, readonly partition: number, readonly group: string }

/** What a worker has to know of the settings of its queue. */
export interface QueueTraits {
  /** Records of a key are handled one after the other. */
  readonly keepsOrder: boolean
  /** Records of a partition under leases at once, at most. */
  readonly inFlightMax: number
}

/** See the head of this file. */
export class QueueControl<K, V> {
  readonly name: string
  /** Name of the queue group; empty for the one that a queue has by itself. */
  readonly group = ''
  /** How keys become bytes. */
  readonly key: Serde<K>
  /** How values become bytes. */
  readonly value: Serde<V>
  protected readonly cluster: Cluster
  private knownTraits: { topicId: string, traits: QueueTraits } | null = null

  constructor (cluster: Cluster, name: string, key: Serde<K>, value: Serde<V>) {
    this.cluster = cluster
    this.name = name
    this.key = key
    this.value = value
  }

  /**
   * Cancels a record: it is not handed out any more.
   *
   * @returns `ok`; `requested` where it is leased: its holder's signal is aborted by the next heartbeat and the record
   *   ends with its lease; `already-terminal`; `unknown` where there is no such record.
   * @throws BrokerError as a rejection.
   */
  async cancel (target: RecordTarget<K>, options: CallOptions = {}): Promise<ChangeOutcome> {
    return this.change(target, options, (places, leader, timeoutMs) =>
      this.cluster.request('cancelRecords', { timeoutMs, targets: places }, { ...options, broker: leader, timeoutMs })
        .then(({ message }) => message.results))
  }

  /**
   * Puts a record off, or brings it forward: `delayMs` from now, or `at` a time; up to 365 days.
   *
   * @returns as `cancel`; `leased` where somebody works on it: nothing was changed.
   * @throws BrokerError as a rejection.
   */
  async reschedule (
    target: RecordTarget<K>, to: { delayMs: number } | { at: Date | number }, options: CallOptions = {},
  ): Promise<ChangeOutcome> {
    const { delayMs, notBefore } = whenOf(to)
    return this.change(target, options, (places, leader, timeoutMs) => this.cluster.request('rescheduleRecords', {
      timeoutMs, targets: places.map(place => ({ ...place, delayMs, notBefore })),
    }, { ...options, broker: leader, timeoutMs }).then(({ message }) => message.results))
  }

  /**
   * Where a record stands and why: the answer to "why does it not come?". `{ key }` asks for the first record of a key
   * that the queue has come to and is not done with.
   *
   * @returns null where there is no such record.
   * @throws BrokerError as a rejection.
   */
  async explain (target: RecordTarget<K> | { key: K }, options: CallOptions = {}): Promise<RecordExplanation | null> {
    checkTarget(target, 'key')
    const info = await this.info(options)
    const isByKey = typeof target === 'object' && 'key' in target && !('dedupId' in target)
    const lane = isByKey ? laneOf(this.keyBytes(target.key as K)) : -1
    const places = isByKey
      ? [{ ...this.place(info, this.partitionOf(target.key as K, info)), offset: -1, dedupId: null }]
      : this.placesOf(target as RecordTarget<K>, info)
    const answers = await this.ask(places, options, (places, broker, timeoutMs) => this.cluster.request('explainRecords', {
      targets: places.map(place => ({ ...place, lane })),
    }, { ...options, broker, timeoutMs }).then(({ message }) => message.results))
    const found = answers.findIndex(({ state, offset }) => state !== 'unknown' && (offset >= 0 || !isByKey))
    if (found < 0) return null
    return { ...without(answers[found]!), waitsFor: answers[found]!.message, partition: places[found]!.partition }
  }

  /** Figures of the queue and of each of its partitions. */
  async stats (options: CallOptions = {}): Promise<QueueStatistics> {
    const info = await this.info(options)
    const answers = await this.ask(this.allPlaces(info), options, (partitions, broker, timeoutMs) =>
      this.cluster.request('queueStats', { partitions }, { ...options, broker, timeoutMs })
        .then(({ message }) => message.partitions))
    const partitions = answers.map(answer => {
      const { topicId: _id, group: _group, ...stats } = without(answer)
      return stats
    })
    const sum: Record<string, number> = {}
    for (const name of COUNTS) sum[name] = partitions.reduce((total, stats) => total + stats[name], 0)
    for (const name of AGES) sum[name] = Math.max(-1, ...partitions.map(stats => stats[name]))
    sum.sessions = Math.max(0, ...partitions.map(({ sessions }) => sessions))
    return { ...sum, paused: partitions.some(({ paused }) => paused), partitions } as unknown as QueueStatistics
  }

  /**
   * Looks at records and their state without leasing them, partition by partition.
   *
   * @throws BrokerError as a rejection.
   */
  async peek (options: PeekOptions = {}): Promise<PeekedRecord<K, V>[]> {
    const maxRecords = whole('maxRecords', options.maxRecords, 100, 1, 1_000)
    const fromOffset = whole('from', options.from, -1, 0, Number.MAX_SAFE_INTEGER)
    const info = await this.info(options)
    const found: PeekedRecord<K, V>[] = []
    for (const partition of options.partitions ?? partitionNumbers(info)) {
      this.checkPartition(partition, info)
      let from = fromOffset
      while (found.length < maxRecords) {
        const next = await this.peekAt(this.place(info, partition), from, maxRecords - found.length, options, found)
        if (next < 0 || next <= from) break
        from = next
      }
    }
    return found
  }

  /** Hands out nothing more until `resume`; settling goes on. */
  async pause (options: CallOptions = {}): Promise<void> {
    await this.control('pause', options)
  }

  /** Ends a pause. */
  async resume (options: CallOptions = {}): Promise<void> {
    await this.control('resume', options)
  }

  /** Ends every record that is in the queue now, leased ones included. @returns how many there were. */
  async purge (options: CallOptions = {}): Promise<number> {
    return (await this.control('purge', options)).reduce((sum, { records }) => sum + records, 0)
  }

  /**
   * Lets a key go on that a record which was given up has stopped (`poison` `hold` or `dlq-key`).
   *
   * @param options skip: without that record, which is cancelled; otherwise with it.
   * @returns false where the key is not stopped.
   */
  async resumeKey (key: K, options: CallOptions & { skip?: boolean } = {}): Promise<boolean> {
    const info = await this.info(options)
    const places = [this.place(info, this.partitionOf(key, info))]
    const action = options.skip === true ? 'skipKey' : 'resumeKey'
    const answers = await this.control(action, options, places, laneOf(this.keyBytes(key)))
    return answers[0]!.changed
  }

  /**
   * Moves the records of this queue, a dead-letter queue, back to where each came from, or to another queue, in their
   * order. A job of the broker: it goes on when this process ends.
   *
   * @throws BrokerError as a rejection: INVALID naming the option, UNKNOWN_TOPIC.
   */
  async redrive (options: RedriveOptions<K> & CallOptions = {}): Promise<Redrive> {
    const info = await this.info(options)
    const to = options.to === undefined ? null : await this.cluster.metadata.topic(options.to)
    const lane = options.key === undefined ? -1 : laneOf(this.keyBytes(options.key))
    const { message } = await this.cluster.request('startRedrive', redriveRequest(info.id, to?.id ?? '', lane, options), {
      ...options, repeatable: false,
    })
    return new Redrive(this.cluster, message.redriveId)
  }

  /** A redrive that was started before, maybe by another process, to look after it. Asks nobody. */
  redriveById (id: string): Redrive {
    return new Redrive(this.cluster, id)
  }

  /** The redrives of this queue that the cluster remembers, the latest first. */
  async redrives (options: CallOptions = {}): Promise<RedriveStatus[]> {
    const info = await this.info(options)
    const { message } = await this.cluster.request('describeRedrives', { redriveIds: [] }, options)
    return message.redrives.filter(({ sourceTopicId }) => sourceTopicId === info.id)
      .map(({ error: _none, ...status }) => status)
  }

  /** As they were when they were first asked for: the order never changes. */
  protected async traits (options: CallOptions): Promise<QueueTraits> {
    const info = await this.info(options)
    if (this.knownTraits?.topicId !== info.id) {
      const { message } = await this.cluster.request('describeTopics', { names: [this.name] }, options)
      const topic = message.topics[0]!
      if (topic.error !== 0) throw serverError(topic.error, topic.message, { topic: this.name })
      const value = (setting: string): string | undefined => topic.config.find(({ name }) => name === setting)?.value
      const traits = { keepsOrder: value('order') === 'key', inFlightMax: Number(value('max.in.flight') ?? 0) }
      this.knownTraits = { topicId: topic.topicId, traits }
    }
    return this.knownTraits.traits
  }

  /** @throws BrokerError INVALID as a rejection, where the handle is of another queue. */
  protected async checkHandle (handle: LeaseHandle): Promise<void> {
    const isOf = (info: TopicInfo): boolean => info.id === handle.topicId && handle.group === this.group
    if (isOf(await this.cluster.metadata.topic(this.name))) return
    if (isOf(await this.cluster.metadata.refresh(this.name))) return
    throw new BrokerError('INVALID', `the handle is of a record of another queue than ${this.name}, or of one of this name that ` +
      'was deleted: settle it there', { topic: this.name })
  }

  private async control (
    action: 'pause' | 'resume' | 'purge' | 'resumeKey' | 'skipKey', options: CallOptions,
    places?: readonly GroupPlace[], lane = -1,
  ): Promise<{ changed: boolean, records: number }[]> {
    const all = places ?? this.allPlaces(await this.info(options))
    return this.ask<GroupPlace, ControlResult>(all, options, (partitions, broker, timeoutMs) =>
      this.cluster.request('controlQueue', { timeoutMs, action, lane, partitions }, { ...options, broker, timeoutMs })
        .then(({ message }) => message.results))
  }

  private async change (
    target: RecordTarget<K>, options: CallOptions,
    send: (places: RecordPlace[], broker: number, timeoutMs: number) => Promise<AnsweredChange[]>,
  ): Promise<ChangeOutcome> {
    checkTarget(target)
    const info = await this.info(options)
    const answers = await this.ask(this.placesOf(target, info), options, async (places, broker, timeoutMs) => {
      const results = await send(places, broker, timeoutMs)
      return results.map(result => result.answer === 'busy' ? { ...result, error: ERROR.BUSY } : result)
    })
    const { answer } = answers.find(({ answer }) => answer !== 'unknown') ?? answers[0]!
    return answer === 'alreadyTerminal' ? 'already-terminal' : answer as ChangeOutcome
  }

  /** Asks the leaders of all places, again where that may help; one answer for each place, in order. */
  private async ask<P extends GroupPlace, A extends Answered> (
    places: readonly P[], options: CallOptions,
    send: (places: P[], broker: number, timeoutMs: number) => Promise<A[]>,
  ): Promise<A[]> {
    const deadlineMs = performance.now() + (options.timeoutMs ?? this.cluster.settings.requestTimeoutMs)
    const answers = new Array<A | null>(places.length).fill(null)
    let open = places.map((_place, index) => index)
    for (let failures = 1; ; failures++) {
      let failure: BrokerError | null = null
      for (const [broker, indices] of this.byLeader(places, open)) {
        const timeoutMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
        const results = await send(indices.map(index => places[index]!), broker, timeoutMs)
        if (results.length !== indices.length) throw new BrokerError('PROTOCOL', 'the broker left results out of its answer')
        results.forEach((result, at) => {
          const index = indices[at]!
          if (result.error === ERROR.NONE) {
            answers[index] = result
            return
          }
          const { partition } = places[index]!
          const error = serverError(result.error, result.message, { topic: this.name, partition })
          if (!error.retriable) throw error
          failure = error
        })
      }
      open = open.filter(index => answers[index] === null)
      if (open.length === 0) return answers as A[]
      const waitMs = retryDelayMs(this.cluster.settings, failure, failures)
      const isLast = failures >= this.cluster.settings.maxAttempts || performance.now() + waitMs >= deadlineMs
      if (isLast) throw failure ?? noLeader(this.name)
      await delay(waitMs, options.signal)
      await this.cluster.metadata.refresh(this.name)
    }
  }

  private byLeader (places: readonly GroupPlace[], open: readonly number[]): [number, number[]][] {
    const info = this.cluster.metadata.peek(this.name)
    const requests: [number, number[]][] = []
    const last = new Map<number, number[]>()
    for (const index of open) {
      const leader = info?.partitions[places[index]!.partition]?.leader ?? -1
      let indices = last.get(leader)
      if (indices === undefined || indices.length === ITEMS_MAX) {
        indices = []
        last.set(leader, indices)
        requests.push([leader, indices])
      }
      indices.push(index)
    }
    return requests
  }

  private async peekAt (
    place: GroupPlace, fromOffset: number, maxRecords: number, options: PeekOptions, found: PeekedRecord<K, V>[],
  ): Promise<number> {
    const broker = this.cluster.metadata.peek(this.name)?.partitions[place.partition]?.leader
    const { message, payload } = await this.cluster.request('peekRecords', {
      ...place, fromOffset, maxRecords, maxBytes: PEEK_BYTES_MAX, states: [...options.states ?? []],
    }, { signal: options.signal, timeoutMs: options.timeoutMs, broker })
    const origin = this.originOf(place.partition)
    const read = new Map<number, StoredRecord<K, V>>()
    const sound = message.records.filter(({ damaged }) => !damaged).map(record => ({ ...record, count: 1 }))
    readGranted(payload, sound, (reader) => { read.set(reader.offset, new StoredRecord(origin, reader)) })
    for (const { offset, state, failures, deliveries, timeLeftMs, damaged } of message.records) {
      const content = damaged ? this.damagedRecord(place.partition, offset) : read.get(offset)
      if (content === undefined) continue
      const id = `${place.partition}:${offset}`
      found.push(Object.assign(content, { id, state, failures, deliveries, timeLeftMs, damaged }))
    }
    return message.nextOffset
  }

  private damagedRecord (partition: number, offset: number): Omit<InRecord<K, V>, 'attempt' | 'signal' | 'ack' | 'nack' | 'extend'> {
    return { topic: this.name, partition, offset, timestamp: -1, key: null, value: null, headers: new Map() }
  }

  private originOf (partition: number): RecordOrigin<K, V> {
    const nothing = (): void => {}
    return { topic: this.name, partition, key: this.key, value: this.value, signal: NEVER, ack: nothing, nack: nothing }
  }

  private placesOf (target: RecordTarget<K>, info: TopicInfo): RecordPlace[] {
    if (typeof target === 'object' && 'dedupId' in target) {
      const { dedupId, key } = target
      if (key === undefined) return this.allPlaces(info).map(place => ({ ...place, offset: -1, dedupId }))
      return [{ ...this.place(info, this.partitionOf(key, info)), offset: -1, dedupId }]
    }
    const { partition, offset } = typeof target === 'string' ? parseId(target) : target
    this.checkPartition(partition, info)
    if (!Number.isSafeInteger(offset) || offset < 0) throw invalidOption('offset', 'a whole number of at least 0', offset)
    return [{ ...this.place(info, partition), offset, dedupId: null }]
  }

  private checkPartition (partition: number, info: TopicInfo): void {
    if (Number.isInteger(partition) && partition >= 0 && partition < info.partitions.length) return
    throw new BrokerError('INVALID', `partition ${partition} is not one of queue ${this.name}: use 0 to ${info.partitions.length - 1}`,
      { topic: this.name })
  }

  private partitionOf (key: K, info: TopicInfo): number {
    return partitionOfKey(this.keyBytes(key), info.partitions.length)
  }

  private keyBytes (key: K): Uint8Array {
    return this.key.encode(key)
  }

  private allPlaces (info: TopicInfo): GroupPlace[] {
    return partitionNumbers(info).map(partition => this.place(info, partition))
  }

  private place (info: TopicInfo, partition: number): GroupPlace {
    return { topicId: info.id, partition, group: this.group }
  }

  private async info (options: CallOptions): Promise<TopicInfo> {
    options.signal?.throwIfAborted()
    try {
      // Administration never works on a remembered id.
      return await this.cluster.metadata.refresh(this.name)
    } catch (error) {
      throw asBrokerError(error)
    }
  }
}

/** A record as requests name it. */
interface RecordPlace extends GroupPlace { readonly offset: number, readonly dedupId: string | null }

function noLeader (queue: string): BrokerError {
  return new BrokerError('NOT_LEADER', `a partition of queue ${queue} has no leader`, { retriable: true })
}

/** An answer without what says that it is no error. */
function without<A extends Answered> (answer: A): Omit<A, 'error' | 'message'> {
  const { error: _error, message: _message, ...rest } = answer
  return rest
}

/** What does not name a record is told before anybody is asked. @throws BrokerError INVALID */
function checkTarget (target: unknown, ...alone: readonly string[]): void {
  if (typeof target === 'string') {
    parseId(target)
    return
  }
  checkObject('a record to name: its id, { partition, offset } or { dedupId }', target)
  const { dedupId, partition, offset } = target as { dedupId?: unknown, partition?: unknown, offset?: unknown }
  if (dedupId !== undefined) return checkDedupId(dedupId as string)
  if (alone.some(name => (target as Record<string, unknown>)[name] !== undefined)) return
  if (partition !== undefined && offset !== undefined) return
  const names = ['partition and offset', 'dedupId', ...alone].join(', ')
  throw new BrokerError('INVALID', `the object names no record: it needs one of ${names}`)
}

/** When a record is to come, as the protocol says it: -1 for what was not given. @throws BrokerError INVALID */
function whenOf (to: { delayMs?: number, at?: Date | number }): { delayMs: number, notBefore: number } {
  checkObject('the time to come at: { delayMs } or { at }', to)
  const { delayMs, at } = to
  if (delayMs !== undefined && at === undefined) return { delayMs: checkDelay('delayMs', delayMs), notBefore: -1 }
  if (at !== undefined && delayMs === undefined) return { delayMs: -1, notBefore: checkTime('at', at) }
  throw new BrokerError('INVALID', `give either delayMs or at, not ${at === undefined ? 'none' : 'both'}`)
}

function parseId (id: string): { partition: number, offset: number } {
  const match = /^(\d{1,9}):(\d{1,16})$/.exec(id)
  if (match === null) throw invalidOption('id', 'PARTITION:OFFSET, such as 0:17', id)
  return { partition: Number(match[1]), offset: Number(match[2]) }
}
