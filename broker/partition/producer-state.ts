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

/** A batch that is remembered: sequences `first` to `last`, inclusive, stored from `baseOffset` on. */
interface StoredBatch { first: number, last: number, baseOffset: number, endOffset: number }

interface Producer {
  epoch: number
  lastSequence: number
  /** Wall-clock milliseconds of its last batch. */
  lastSeenMs: number
  /** Oldest first. */
  batches: StoredBatch[]
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
  private readonly producers = new Map<number, Producer>()
  private readonly producersMax: number
  private readonly batchesMax: number
  /** Rises with every change, so that a snapshot knows whether it is still the newest. */
  version = 0

  constructor (producersMax: number, batchesMax: number) {
    this.producersMax = producersMax
    this.batchesMax = batchesMax
  }

  get size (): number { return this.producers.size }

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
    if (header.producerId === NO_PRODUCER_ID) return
    let producer = this.producers.get(header.producerId)
    if (producer === undefined || header.producerEpoch > producer.epoch) {
      producer = { epoch: header.producerEpoch, lastSequence: -1, lastSeenMs: nowMs, batches: [] }
    }
    const last = sequenceAfter(header.baseSequence, header.lastOffsetDelta)
    producer.lastSequence = last
    producer.lastSeenMs = nowMs
    producer.batches.push({
      first: header.baseSequence,
      last,
      baseOffset: header.baseOffset,
      endOffset: header.baseOffset + header.lastOffsetDelta + 1,
    })
    if (producer.batches.length > this.batchesMax) producer.batches.shift()
    // To the end of the map: the order is that of the last batch.
    this.producers.delete(header.producerId)
    this.producers.set(header.producerId, producer)
    this.version++
    if (this.producers.size > this.producersMax) this.producers.delete(this.producers.keys().next().value!)
  }

  /** Forgets producers whose last batch is older than `beforeMs` (wall clock). */
  expire (beforeMs: number): void {
    for (const [producerId, producer] of this.producers) {
      // The map is in the order of the last batches: all that follow are younger.
      if (producer.lastSeenMs >= beforeMs) return
      this.producers.delete(producerId)
      this.version++
    }
  }

  /** The state as bytes, for `restore`. */
  snapshot (): Buffer {
    const rows = [...this.producers].map(([id, { epoch, lastSequence, lastSeenMs, batches }]) => [
      id, epoch, lastSequence, lastSeenMs,
      batches.map(batch => [batch.first, batch.last, batch.baseOffset, batch.endOffset]),
    ])
    return Buffer.from(JSON.stringify(rows))
  }

  /** Puts a snapshot in place of the state. @throws where the bytes are none. */
  restore (bytes: Buffer): void {
    const rows = JSON.parse(bytes.toString()) as [number, number, number, number, [number, number, number, number][]][]
    this.clear()
    for (const [id, epoch, lastSequence, lastSeenMs, batches] of rows) {
      this.producers.set(id, {
        epoch,
        lastSequence,
        lastSeenMs,
        batches: batches.map(([first, last, baseOffset, endOffset]) => ({ first, last, baseOffset, endOffset })),
      })
    }
  }

  clear (): void {
    this.producers.clear()
    this.version++
  }

  private checkSequence (header: SequencedHeader, producer: Producer): SequenceVerdict {
    const { baseSequence } = header
    if (baseSequence === sequenceAfter(producer.lastSequence, 1)) return APPEND
    const last = sequenceAfter(baseSequence, header.lastOffsetDelta)
    for (const batch of producer.batches) {
      if (batch.first === baseSequence && batch.last === last) {
        return { kind: 'duplicate', baseOffset: batch.baseOffset, endOffset: batch.endOffset }
      }
    }
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
