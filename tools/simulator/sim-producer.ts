// An idempotent producer: numbers its batches, keeps a few under way, and sends each again, byte for byte, until it is
// told where it is stored. It writes to one partition. Where it may happen that what was acknowledged is lost, and it
// has, it begins anew under another id.

import { RecordBatchBuilder, RecordExtrasBuilder, readBatchHeader } from '@sluice/protocol'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventQueue } from './event-queue.js'
import type { ProduceAnswer } from './sim-partition.js'

/** Batches from the oldest that is not acknowledged on: as many as a broker remembers. */
const WINDOW = 5
const RETRY_MS = 400
/** Ids of one producer that has begun anew: more than there are producers. */
const IDS_APART = 1_000

/** What a producer needs of the world. */
export interface ProducerWorld {
  /** Sends to a broker; the answer may come twice, late, or never. */
  produce (brokerId: number, log: number, batch: Buffer, answered: (answer: ProduceAnswer) => void): void
  brokerCount: number
  onAck (log: number, baseOffset: number, crc: number, endOffset: number, answer: ProduceAnswer & { ok: true }): void
  /** Acknowledged batches may be lost with their leader. */
  mayLose: boolean
  /** What was under way is given up. */
  onBegunAnew (): void
  /** Adds a record to a batch that is being made. */
  addRecord (builder: RecordBatchBuilder, extras: RecordExtrasBuilder, text: string): void
}

interface Outstanding {
  readonly batch: Buffer
  readonly crc: number
  readonly count: number
  readonly number: number
  sentMs: number
}

export class SimProducer {
  private readonly queue: EventQueue
  private readonly random: SeededRandom
  private readonly world: ProducerWorld
  private producerId: number
  private readonly log: number
  private readonly builder = new RecordBatchBuilder(512)
  private readonly extras = new RecordExtrasBuilder()
  private readonly outstanding: Outstanding[] = []
  private readonly meanMs: number
  private sequence = 0
  private batchCount = 0
  private leader: number
  private isStopped = false
  /** Told of another leader: what waits is sent again soon. */
  private isRedirected = false

  constructor (queue: EventQueue, random: SeededRandom, world: ProducerWorld, producerId: number, log: number) {
    this.queue = queue
    this.random = random
    this.world = world
    this.producerId = producerId
    this.log = log
    this.leader = random.between(0, world.brokerCount)
    this.meanMs = random.between(5, 60)
    this.next()
    this.retry()
  }

  /** Makes no more batches; those under way are sent until they are acknowledged. */
  stop (): void { this.isStopped = true }

  get isDone (): boolean { return this.isStopped && this.outstanding.length === 0 }

  private next (): void {
    if (this.isStopped) return
    const oldest = this.outstanding[0]?.number ?? this.batchCount
    if (this.batchCount - oldest < WINDOW) this.send(this.make())
    this.queue.after(this.meanMs * 2 * this.random.next(), () => this.next())
  }

  private make (): Outstanding {
    const count = this.random.between(1, 4)
    for (let index = 0; index < count; index++) {
      this.world.addRecord(this.builder, this.extras, `${this.producerId}/${this.sequence + index}`)
    }
    const producer = { producerId: this.producerId, producerEpoch: 0, baseSequence: this.sequence }
    const extras = this.extras.build()
    const batch = this.builder.build(extras === undefined ? { producer } : { producer, extras })
    this.sequence += count
    const outstanding = { batch, crc: readBatchHeader(batch).crc, count, number: this.batchCount++, sentMs: 0 }
    this.outstanding.push(outstanding)
    return outstanding
  }

  private send (outstanding: Outstanding): void {
    outstanding.sentMs = this.queue.nowMs
    const { batch } = outstanding
    this.world.produce(this.leader, this.log, batch, answer => this.onAnswer(outstanding, answer))
  }

  private onAnswer (outstanding: Outstanding, answer: ProduceAnswer): void {
    const index = this.outstanding.indexOf(outstanding)
    if (index < 0) return
    if (answer.ok) {
      this.outstanding.splice(index, 1)
      const { baseOffset } = answer
      this.world.onAck(this.log, baseOffset, outstanding.crc, baseOffset + outstanding.count, answer)
      return
    }
    // All before the oldest was acknowledged: who does not know of that has lost it.
    if (this.world.mayLose && index === 0 && answer.reason.startsWith('sequence')) return this.beginAnew()
    if (answer.reason !== 'not-leader') return
    const leader = answer.leader >= 0 ? answer.leader : this.random.between(0, this.world.brokerCount)
    if (leader !== this.leader) this.isRedirected = true
    this.leader = leader
  }

  private beginAnew (): void {
    this.outstanding.length = 0
    this.producerId += IDS_APART
    this.sequence = 0
    this.world.onBegunAnew()
  }

  /** Sends everything that waits for too long once more, in order. */
  private retry (): void {
    if (this.isDone) return
    const oldest = this.outstanding[0]
    const isLate = oldest !== undefined && this.queue.nowMs - oldest.sentMs > RETRY_MS
    if (isLate || this.isRedirected) {
      if (!this.isRedirected && this.random.chance(0.3)) this.leader = this.random.between(0, this.world.brokerCount)
      this.isRedirected = false
      for (const outstanding of this.outstanding) this.send(outstanding)
    }
    this.queue.after(RETRY_MS / 4, () => this.retry())
  }
}
