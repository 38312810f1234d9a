// What is known of topics: their ids, partitions and leaders.
//
// Whoever needs a topic gets it from here; what is missing, stale or called into doubt is asked for in one request for
// all who wait. Answers are values: a topic that does not exist is remembered as an error only for those who asked.

import type { TopicMetadata } from '@sluice/protocol'
import { BrokerError, serverError } from '../broker-error.js'
import { deferred, type Deferred } from '../waiting.js'

/** A topic as the brokers last described it. */
export interface TopicInfo {
  readonly name: string
  /** UUID; another one after the topic was deleted and created anew. */
  readonly id: string
  readonly kind: 'stream' | 'queue'
  /** By partition number. */
  readonly partitions: readonly PartitionInfo[]
  /** On the monotonic clock, in milliseconds. */
  readonly fetchedAtMs: number
}

/** Who leads a partition; -1 where nobody does. */
export interface PartitionInfo { readonly leader: number, readonly leaderEpoch: number }

/** Asks the brokers about topics. */
export type FetchTopics = (names: string[]) => Promise<readonly TopicMetadata[]>

/** See the head of this file. */
export class Metadata {
  private readonly topics = new Map<string, TopicInfo>()
  private readonly fetchTopics: FetchTopics
  private readonly maxAgeMs: number
  private wanted = new Map<string, Deferred<TopicInfo>>()
  private running = false

  constructor (fetchTopics: FetchTopics, maxAgeMs: number) {
    this.fetchTopics = fetchTopics
    this.maxAgeMs = maxAgeMs
  }

  /** The topic as last heard of, or undefined. */
  peek (name: string): TopicInfo | undefined {
    const info = this.topics.get(name)
    if (info !== undefined && performance.now() - info.fetchedAtMs > this.maxAgeMs) {
      // Good enough for now, and renewed behind the caller's back.
      this.refresh(name).catch(() => {})
    }
    return info
  }

  /** The topic, asked for where it is not known. @throws BrokerError UNKNOWN_TOPIC as a rejection. */
  topic (name: string): Promise<TopicInfo> {
    const info = this.peek(name)
    return info === undefined ? this.refresh(name) : Promise.resolve(info)
  }

  /** Asks for the topic anew. Callers that ask while a request is under way share the next one. */
  refresh (name: string): Promise<TopicInfo> {
    let waiter = this.wanted.get(name)
    if (waiter === undefined) {
      waiter = deferred<TopicInfo>()
      waiter.promise.catch(() => {})
      this.wanted.set(name, waiter)
      if (!this.running) {
        this.running = true
        queueMicrotask(() => { this.run().catch(waiter!.reject) })
      }
    }
    return waiter.promise
  }

  /** Takes over what the answer to a produce or fetch says about a leader, where that is news. */
  learnLeader (name: string, partition: number, leader: number, leaderEpoch: number): void {
    const info = this.topics.get(name)
    const known = info?.partitions[partition]
    if (info === undefined || known === undefined || leader < 0 || leaderEpoch <= known.leaderEpoch) return
    const partitions = info.partitions.slice()
    partitions[partition] = { leader, leaderEpoch }
    this.topics.set(name, { ...info, partitions })
  }

  private async run (): Promise<void> {
    while (this.wanted.size > 0) {
      const asked = this.wanted
      this.wanted = new Map()
      try {
        const answers = new Map((await this.fetchTopics([...asked.keys()])).map(topic => [topic.name, topic]))
        for (const [name, waiter] of asked) this.settle(name, answers.get(name), waiter)
      } catch (error) {
        for (const waiter of asked.values()) waiter.reject(error)
      }
    }
    this.running = false
  }

  private settle (name: string, topic: TopicMetadata | undefined, waiter: Deferred<TopicInfo>): void {
    if (topic === undefined) {
      return waiter.reject(new BrokerError('PROTOCOL', `the broker left topic ${name} out of its answer`, { topic: name }))
    }
    if (topic.error !== 0) {
      this.topics.delete(name)
      return waiter.reject(serverError(topic.error, topic.message, { topic: name }))
    }
    const info = {
      name,
      id: topic.topicId,
      kind: topic.kind,
      partitions: topic.partitions.map(({ leader, leaderEpoch }) => ({ leader, leaderEpoch })),
      fetchedAtMs: performance.now(),
    }
    this.topics.set(name, info)
    waiter.resolve(info)
  }
}
