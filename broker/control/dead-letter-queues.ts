// The way of dead letters from the queues that this broker leads to the leaders of their dead-letter queues: each is
// stored once.
//
//   asked ─▶ which queue, which partition ─▶ who leads that? ─ this broker ─▶ LetterIntake ─▶ stored
//                └ none of that name: it is made          └ another ─▶ storeDeadLetter ─▶ its LetterIntake ─▶ stored
//
// A letter goes to the partition of the same number, modulo the queue's partitions: records of a key stay in order.
// Where the queue has grown since its creation, one that may have been asked for earlier is looked for where it would
// have gone then.
//
// Nothing here waits for another: a broker that does not answer holds up the letters for itself, and of these no more
// than LIMITS.lettersPerBroker are on their way. What fails is asked for again by the queue group.

import { FRAME_FLAG } from '@sluice/protocol'
import PQueue from 'p-queue'
import { LIMITS } from '../limits.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { LetterPlace } from '../queue/endings.js'
import type { DeadLetterRequest, DeadLetterSink } from '../queue-host/dead-letter-sink.js'
import type { QueuePartition } from '../queue-host/queue-surroundings.js'
import type { Logger } from '../runtime/logger.js'
import { deadLetterBatch, deathNameOf } from './dead-letter-batch.js'
import { LetterAsks } from './letter-asks.js'
import type { LetterIntake } from './letter-intake.js'
import { isPassing, type OtherBrokers } from './other-brokers.js'
import type { TopicRecord } from './topic-record.js'
import type { Topics } from './topics.js'

export interface DeadLetterQueuesOptions {
  readonly topics: Topics
  readonly partitions: PartitionTable
  readonly intake: LetterIntake
  /** Null where this broker is alone. */
  readonly others: OtherBrokers | null
  readonly logger: Logger
}

/** A partition of a dead-letter queue. */
interface Place { readonly topicId: string, readonly partition: number }

export class DeadLetterQueues implements DeadLetterSink {
  private readonly options: DeadLetterQueuesOptions
  /** Queues that are being made. */
  private readonly making = new Set<string>()
  /** A source lives for one leadership, and so do its asks. */
  private readonly asks = new WeakMap<QueuePartition, Map<string, LetterAsks>>()
  /** What is on its way, by broker. */
  private readonly underWay = new Map<number, PQueue>()

  constructor (options: DeadLetterQueuesOptions) {
    this.options = options
  }

  append (request: DeadLetterRequest, done: (place: LetterPlace | null, waitsFor: string) => void): void {
    this.send(request).then(place => done(place, ''), (cause: Error) => {
      const { source, target, letter } = request
      const details = { partition: source.label, offset: letter.offset, queue: target, err: cause }
      const text = 'a dead letter could not be stored; it is tried again'
      if (isPassing(cause)) this.options.logger.debug(details, text)
      else this.options.logger.warn(details, text)
      done(null, cause.message)
    })
  }

  forget (source: QueuePartition, group: string, offset: number): void {
    const { topicId, index: partition } = source
    const asks = this.asksOf(source, group)
    const place = asks.placeOf(offset)
    const isHere = place !== null &&
      this.options.intake.forget(place.topicId, place.partition, { topicId, partition, group, offset })
    asks.forget(offset, !isHere)
  }

  private async send (request: DeadLetterRequest): Promise<LetterPlace> {
    const { source, group, target, letter: { offset }, isOld } = request
    const topic = await this.queueNamed(target, source)
    const asks = this.asksOf(source, group)
    const isFirst = asks.isFirst(offset) && !isOld
    const place = { topicId: topic.topicId, partition: source.index % topic.partitions }
    if (!isFirst) {
      for (const partition of earlierPartitions(topic, source.index)) {
        const earlier = { topicId: topic.topicId, partition }
        const found = await this.ask(request, asks, earlier, false, false)
        if (found >= 0) return asks.stored(offset, { ...earlier, offset: found })
      }
    }
    return asks.stored(offset, { ...place, offset: await this.ask(request, asks, place, isFirst, true) })
  }

  /**
   * Asks the leader of a partition to store a letter, or only to look for it.
   *
   * @returns its offset; -1 where it was looked for and is not there.
   */
  private ask (
    request: DeadLetterRequest, asks: LetterAsks, place: Place, isFirst: boolean, withBatch: boolean,
  ): Promise<number> {
    const { others, partitions } = this.options
    const { topicId, partition } = place
    const epoch = others?.leaderEpochOf(topicId, partition) ?? partitions.find(topicId, partition)?.leaderEpoch ?? -1
    const firstEpoch = isFirst ? epoch : -1
    const leader = others === null ? -1 : others.leaderOf(topicId, partition)
    if (others === null || leader === others.brokerId) return this.askHere(request, asks, place, firstEpoch, withBatch)
    if (leader < 0) throw new Error(`partition ${request.target}/${partition} has no leader for now`)
    return this.queueTo(leader).add(() => this.askBroker(others, leader, request, asks, place, firstEpoch, withBatch))
  }

  private async askHere (
    request: DeadLetterRequest, asks: LetterAsks, place: Place, firstEpoch: number, withBatch: boolean,
  ): Promise<number> {
    const { source: { leaderEpoch: sourceEpoch }, letter: { diedMs } } = request
    const batch = withBatch ? await deadLetterBatch(request) : null
    const forget = asks.takeForgotten(place)
    const name = deathNameOf(request)
    return await this.options.intake.store(
      { ...place, name, sourceEpoch, ask: asks.next(), firstEpoch, diedMs, forget, batch })
  }

  private async askBroker (
    others: OtherBrokers, leader: number, request: DeadLetterRequest, asks: LetterAsks, place: Place,
    firstEpoch: number, withBatch: boolean,
  ): Promise<number> {
    const { source, group, letter: { offset, diedMs } } = request
    const batch = withBatch ? await deadLetterBatch(request) : Buffer.alloc(0)
    const message = {
      ...place,
      sourceTopicId: source.topicId,
      sourcePartition: source.index,
      group,
      offset,
      sourceEpoch: source.leaderEpoch,
      ask: asks.next(),
      firstEpoch,
      diedAt: diedMs,
      forget: asks.takeForgotten(place),
    }
    const { forwarded } = FRAME_FLAG
    const stored = await others.request(leader, 'storeDeadLetter', message, forwarded, LIMITS.storeElsewhereMs, batch)
    return stored.offset
  }

  private asksOf (source: QueuePartition, group: string): LetterAsks {
    let groups = this.asks.get(source)
    if (groups === undefined) this.asks.set(source, groups = new Map())
    let asks = groups.get(group)
    if (asks === undefined) groups.set(group, asks = new LetterAsks())
    return asks
  }

  private queueTo (broker: number): PQueue {
    let queue = this.underWay.get(broker)
    if (queue === undefined) this.underWay.set(broker, queue = new PQueue({ concurrency: LIMITS.lettersPerBroker }))
    return queue
  }

  /** The queue of that name, which is made where there is none. */
  private async queueNamed (target: string, source: QueuePartition): Promise<TopicRecord> {
    const { topics } = this.options
    const topic = topics.byName(target)
    if (topic !== undefined) return topic
    if (this.making.has(target)) throw new Error(`dead-letter queue ${target} is being made`)
    this.making.add(target)
    try {
      const partitions = topics.byId(source.topicId)?.partitions ?? 1
      const made = await topics.create(
        { name: target, kind: 'queue', partitions, replicationFactor: 0, config: {} }, false)
      if ('error' in made) throw new Error(`dead-letter queue ${target} cannot be made: ${made.message}`)
      return made
    } finally {
      this.making.delete(target)
    }
  }
}

/** Other partitions that a letter of this source partition may have gone to, before the queue had as many. */
function earlierPartitions ({ partitions, grownFrom = partitions }: TopicRecord, sourcePartition: number): Set<number> {
  const earlier = new Set<number>()
  for (let count = grownFrom; count < partitions; count++) earlier.add(sourcePartition % count)
  earlier.delete(sourcePartition % partitions)
  return earlier
}
