// Everything that happened between the clients and the brokers of a run, and the rules that it has to keep.
//
//   - an acknowledged record is at its offset, with its bytes, whenever it is read, and once (idempotent producers)
//   - a refused record, one whose error says that it was certainly not applied, is nowhere
//   - what is at an offset never changes; offsets are dense, but for those that leaders of a cluster take
//   - the records of an idempotent producer keep their order in each partition
//
// Violations are collected, not thrown, so that one run shows all that is wrong; `violations` is bounded.

import { PartitionHistory, type Hole } from './partition-history.js'
import {
  describeRecord, parseRecordValue, producerOf, recordIdOf, recordKey, recordValue, sequenceOf, type RecordId,
} from './test-record.js'

const VIOLATIONS_MAX = 50

/** A record as it was read. */
export interface ReadRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** One producer and what became of its records, by sequence. */
export interface ProducerHistory {
  readonly index: number
  readonly topic: string
  readonly keyed: boolean
  /** Each record once and in order; otherwise at least once. */
  readonly idempotent: boolean
  sent: number
  acknowledged: number
  refused: number
  /** Failed without knowing whether it was applied. */
  unknown: number
  /** Acknowledged as a duplicate so late that the broker no longer knew the offset. */
  readonly placeless: Set<number>
  readonly refusedSequences: Set<number>
  /** Where each record was seen. */
  readonly places: ({ partition: number, offset: number } | undefined)[]
}

export class History {
  readonly producers: ProducerHistory[] = []
  readonly violations: string[] = []
  /** Records compared with what they should be, re-reads included. */
  checked = 0
  private readonly partitions = new Map<string, PartitionHistory[]>()
  private readonly isOfCluster: boolean

  /** In a cluster the leaders of partitions have offsets of their own. */
  constructor (options: { isOfCluster?: boolean } = {}) {
    this.isOfCluster = options.isOfCluster === true
  }

  addTopic (topic: string, partitions: number): void {
    this.partitions.set(topic, Array.from({ length: partitions }, (_, index) =>
      new PartitionHistory(topic, index, this.isOfCluster)))
  }

  addProducer (setup: { topic: string, keyed: boolean, idempotent: boolean }): ProducerHistory {
    const producer: ProducerHistory = {
      ...setup,
      index: this.producers.length,
      sent: 0,
      acknowledged: 0,
      refused: 0,
      unknown: 0,
      placeless: new Set(),
      refusedSequences: new Set(),
      places: [],
    }
    this.producers.push(producer)
    return producer
  }

  get acknowledged (): number { return this.producers.reduce((sum, producer) => sum + producer.acknowledged, 0) }

  get sent (): number { return this.producers.reduce((sum, producer) => sum + producer.sent, 0) }

  partition (topic: string, index: number): PartitionHistory { return this.partitions.get(topic)![index]! }

  * all (): IterableIterator<PartitionHistory> {
    for (const list of this.partitions.values()) yield * list
  }

  report (violation: string | null): void {
    if (violation !== null && this.violations.length < VIOLATIONS_MAX) this.violations.push(violation)
  }

  onAcknowledged (producer: ProducerHistory, sequence: number, partition: number, offset: number): void {
    producer.acknowledged++
    const id = recordIdOf(producer.index, sequence)
    if (offset < 0) producer.placeless.add(sequence)
    else this.report(this.partition(producer.topic, partition).acknowledge(offset, id))
  }

  /** The record was not applied, says the error. */
  onRefused (producer: ProducerHistory, sequence: number): void {
    producer.refused++
    producer.refusedSequences.add(sequence)
    if (producer.places[sequence] === undefined) return
    this.report(`${describeRecord(recordIdOf(producer.index, sequence))} was refused and is stored`)
  }

  onUnknown (producer: ProducerHistory): void { producer.unknown++ }

  /** Somebody has read a record, in whatever order. */
  onObserved (topic: string, partition: number, record: ReadRecord): void {
    this.checked++
    const place = this.partition(topic, partition)
    const id = this.identify(place, record)
    if (id === null) return
    this.report(place.observe(record.offset, id))
    this.place(place, record.offset, id)
  }

  /** The checker has read the next record of a partition: as `onObserved`, and offsets and order are checked too. */
  onRead (topic: string, partition: number, record: ReadRecord): void {
    const place = this.partition(topic, partition)
    const isNew = record.offset >= place.readEnd
    if (isNew) {
      for (let gap = place.readEnd; gap < record.offset; gap++) {
        if (!place.mayPassOver(gap)) {
          this.report(`${place.label}: offset ${gap} is missing before ${record.offset}`)
          break
        }
      }
      place.readEnd = record.offset + 1
    }
    this.onObserved(topic, partition, record)
    const id = place.observed[record.offset]
    if (isNew && id !== undefined) this.checkOrder(place, record.offset, id)
  }

  /** A range is said to be damaged. Only what nobody was ever told of may be, unless the test has damaged it itself. */
  onHole (topic: string, partition: number, hole: Hole): void {
    const place = this.partition(topic, partition)
    if (place.holes.some(({ from, to }) => from <= hole.from && to >= hole.to)) return
    place.holes.push(hole)
    place.readEnd = Math.max(place.readEnd, hole.to)
    if (hole.from >= place.promisedEnd) return
    if (place.damagedTails.some(({ from, to }) => from <= hole.from && to >= hole.to)) return
    const text = `offsets ${hole.from} to ${hole.to - 1} are said to be damaged`
    this.report(`${place.label}: ${text}; up to ${place.promisedEnd} all was sound`)
  }

  /** To be called when everything has been read: what is missing. */
  checkComplete (): void {
    for (const place of this.all()) for (const violation of place.missing()) this.report(violation)
    const holes = [...this.all()].some(place => place.holes.length > 0)
    for (const producer of this.producers) {
      for (const sequence of producer.placeless) {
        if (producer.places[sequence] !== undefined || holes) continue
        this.report(`${describeRecord(recordIdOf(producer.index, sequence))} was acknowledged as a duplicate and is lost`)
      }
    }
  }

  private identify (place: PartitionHistory, { offset, key, value }: ReadRecord): RecordId | null {
    const parsed = value === null ? null : parseRecordValue(value)
    const producer = parsed === null ? undefined : this.producers[parsed.producer]
    const isSent = producer !== undefined && producer.topic === place.topic && parsed!.sequence < producer.sent
    if (!isSent) {
      this.report(`${place.label}@${offset} holds what nobody has sent there: ${JSON.stringify(value?.slice(0, 60))}`)
      return null
    }
    const { sequence } = parsed!
    const { index, keyed } = producer
    const id = recordIdOf(index, sequence)
    if (value !== recordValue(index, sequence) || key !== recordKey(index, sequence, keyed)) {
      this.report(`${place.label}@${offset}: ${describeRecord(id)} has other bytes than were sent`)
    }
    return id
  }

  private place (place: PartitionHistory, offset: number, id: RecordId): void {
    const producer = this.producers[producerOf(id)]!
    const sequence = sequenceOf(id)
    const before = producer.places[sequence]
    if (before === undefined) {
      producer.places[sequence] = { partition: place.partition, offset }
    } else if (producer.idempotent && (before.partition !== place.partition || before.offset !== offset)) {
      const first = `${place.topic}/${before.partition}@${before.offset}`
      this.report(`${describeRecord(id)} is stored twice: ${first} and ${place.label}@${offset}`)
    }
    if (producer.refusedSequences.has(sequence)) {
      this.report(`${place.label}@${offset}: ${describeRecord(id)} was refused and is stored`)
    }
  }

  private checkOrder (place: PartitionHistory, offset: number, id: RecordId): void {
    const producer = producerOf(id)
    if (!this.producers[producer]!.idempotent) return
    const sequence = sequenceOf(id)
    const last = place.lastSequence.get(producer)
    place.lastSequence.set(producer, Math.max(sequence, last ?? -1))
    if (last !== undefined && sequence <= last) {
      this.report(`${place.label}@${offset}: ${describeRecord(id)} comes after record ${last} of the same producer`)
    }
  }
}
