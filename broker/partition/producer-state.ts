// What a partition knows of its idempotent producers: enough to store each batch once and in order.
//
// Per producer id: its epoch, the last sequence, and where the last few batches went. It is a pure function of the
// batches in the log, so that every replica and every restart comes to the same state; a snapshot only saves reading
// the log again. It outlives the records: retention deletes those, but not what is known of their producers.
//
//   sequence == last + 1                      append
//   the sequences of a remembered batch       duplicate: its offset is the answer
//   at or below last, not remembered          DUPLICATE_SEQUENCE: stored, offset forgotten
//   above last + 1                            OUT_OF_ORDER_SEQUENCE
//   unknown producer, or newer epoch, seq 0   append
//   unknown producer, sequence > 0            UNKNOWN_PRODUCER
//   newer epoch, sequence > 0                 OUT_OF_ORDER_SEQUENCE
//   older epoch                               PRODUCER_FENCED

import { ERROR, NO_PRODUCER_ID, SEQUENCE_MAX, type BatchHeader } from '@sluice/protocol'
import { readProducers, writeProducers } from './producer-snapshot.js'
import { RememberedBatches } from './remembered-batches.js'

/** What is known of one producer. */
export interface KnownProducer {
  epoch: number
  lastSequence: number
  /** Wall-clock milliseconds of its last batch. */
  lastSeenMs: number
  readonly batches: RememberedBatches
}

/** What to do with a batch. */
export type SequenceVerdict =
  | { kind: 'append' }
  | { kind: 'duplicate', baseOffset: number, endOffset: number }
  | { kind: 'refuse', error: number, message: string }

const APPEND: SequenceVerdict = { kind: 'append' }

type SequencedHeader =
  Pick<BatchHeader, 'producerId' | 'producerEpoch' | 'baseSequence' | 'lastOffsetDelta' | 'baseOffset'>

export class ProducerState {
  /** In the order of their last batch, the longest silent first. */
  private readonly producers = new Map<number, KnownProducer>()
  private readonly producersMax: number
  private readonly batchesMax: number
  private batchCount = 0
  /** Rises with every change, so that a snapshot knows whether it is still the newest. */
  version = 0

  /**
   * @param producersMax producers that are known at once; the one silent longest makes room.
   * @param batchesMax batches that are remembered of each.
   */
  constructor (producersMax: number, batchesMax: number) {
    this.producersMax = producersMax
    this.batchesMax = batchesMax
  }

  get size (): number { return this.producers.size }

  /** Batches that are remembered, of all producers together. */
  get rememberedCount (): number { return this.batchCount }

  /** The highest producer id that is known; -1 where none is. */
  get highestId (): number {
    let highest = -1
    for (const id of this.producers.keys()) if (id > highest) highest = id
    return highest
  }

  /** Tells what to do with a batch that is about to be appended. */
  check (header: SequencedHeader): SequenceVerdict {
    if (header.producerId === NO_PRODUCER_ID) return APPEND
    const { producerEpoch, baseSequence } = header
    const producer = this.producers.get(header.producerId)
    if (producer === undefined) {
      if (baseSequence === 0) return APPEND
      return refuse(ERROR.UNKNOWN_PRODUCER,
        `producer ${header.producerId} is not known here and its sequence is ${baseSequence}, not 0; get a new producer epoch`)
    }
    if (producerEpoch < producer.epoch) {
      return refuse(ERROR.PRODUCER_FENCED,
        `producer ${header.producerId} has moved on to epoch ${producer.epoch}; a writer with epoch ${producerEpoch} is an old one`)
    }
    if (producerEpoch > producer.epoch) {
      if (baseSequence === 0) return APPEND
      return refuse(ERROR.OUT_OF_ORDER_SEQUENCE,
        `producer ${header.producerId} begins epoch ${producerEpoch} with sequence ${baseSequence}, not 0`)
    }
    return this.checkSequence(header, producer)
  }

  /** Takes in a batch that is in the log: its base offset is final. */
  apply (header: SequencedHeader, nowMs: number): void {
    const { producerId, producerEpoch, baseSequence, lastOffsetDelta } = header
    if (producerId === NO_PRODUCER_ID) return
    let producer = this.producers.get(producerId)
    // To the end of the map: the order is that of the last batch.
    if (producer !== undefined) this.remove(producerId, producer)
    if (producer === undefined || producerEpoch > producer.epoch) {
      const batches = new RememberedBatches(this.batchesMax)
      producer = { epoch: producerEpoch, lastSequence: -1, lastSeenMs: nowMs, batches }
    }
    producer.lastSequence = sequenceAfter(baseSequence, lastOffsetDelta)
    producer.lastSeenMs = nowMs
    producer.batches.add(baseSequence, lastOffsetDelta + 1, header.baseOffset)
    this.put(producerId, producer)
    this.version++
    if (this.producers.size <= this.producersMax) return
    const silentId = this.producers.keys().next().value!
    this.remove(silentId, this.producers.get(silentId)!)
  }

  /** Forgets producers whose last batch is older than `beforeMs` (wall clock). */
  expire (beforeMs: number): void {
    for (const [producerId, producer] of this.producers) {
      // The map is in the order of the last batches: all that follow are younger.
      if (producer.lastSeenMs >= beforeMs) return
      this.remove(producerId, producer)
      this.version++
    }
  }

  /** The state as bytes, for `restore`. */
  snapshot (): Buffer {
    return writeProducers(this.producers, this.batchCount)
  }

  /** Puts a snapshot in place of the state. @throws where the bytes are none; then nothing is known. */
  restore (bytes: Buffer): void {
    this.clear()
    const restored = readProducers(bytes, this.batchesMax)
    for (const [producerId, producer] of restored) this.put(producerId, producer)
  }

  clear (): void {
    this.producers.clear()
    this.batchCount = 0
    this.version++
  }

  private put (producerId: number, producer: KnownProducer): void {
    this.producers.set(producerId, producer)
    this.batchCount += producer.batches.size
  }

  private remove (producerId: number, producer: KnownProducer): void {
    this.producers.delete(producerId)
    this.batchCount -= producer.batches.size
  }

  private checkSequence (header: SequencedHeader, producer: KnownProducer): SequenceVerdict {
    const { baseSequence } = header
    if (baseSequence === sequenceAfter(producer.lastSequence, 1)) return APPEND
    const recordCount = header.lastOffsetDelta + 1
    const baseOffset = producer.batches.find(baseSequence, recordCount)
    if (baseOffset >= 0) return { kind: 'duplicate', baseOffset, endOffset: baseOffset + recordCount }
    // Sequences wrap around, so "before" is a question of distance.
    const ahead = (baseSequence - producer.lastSequence + SEQUENCE_MAX + 1) % (SEQUENCE_MAX + 1)
    if (ahead > SEQUENCE_MAX / 2 || ahead === 0) {
      return refuse(ERROR.DUPLICATE_SEQUENCE,
        `sequence ${baseSequence} of producer ${header.producerId} was stored before, too long ago to know its offset`)
    }
    return refuse(ERROR.OUT_OF_ORDER_SEQUENCE,
      `producer ${header.producerId} sends sequence ${baseSequence} after ${producer.lastSequence}; the batches between are missing`)
  }
}

/** `count` sequences after `sequence`; the highest is followed by 0. */
function sequenceAfter (sequence: number, count: number): number {
  const next = sequence + count
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next
}

function refuse (error: number, message: string): SequenceVerdict {
  return { kind: 'refuse', error, message }
}
