// One run: a cluster on virtual machines, with clients, under a seed. First everything goes wrong, then everything is
// mended, and then all has to come to rest in good order.
//
//   seed ─┬─ options            each part draws from a stream of its own, so that a change in one
//         ├─ network            does not shuffle all the others
//         ├─ broker 0, 1, …
//         ├─ control store, controllers
//         ├─ producers
//         └─ nemesis

import { firstRecord, type Member, memberName, type PartitionRecord, PartitionRecords } from '@sluice/broker/simulation'
import { SeededRandom } from '../crash/seeded-random.js'
import { Checker } from './checker.js'
import { EventLog } from './event-log.js'
import { EventQueue } from './event-queue.js'
import { runMicrotasks } from './microtasks.js'
import { type Mutant, NO_MUTANT } from './mutants.js'
import { Nemesis } from './nemesis.js'
import { type Moment, SimBroker, TOPIC } from './sim-broker.js'
import { SimControlServer } from './sim-control-server.js'
import { SimController } from './sim-controller.js'
import { CLIENT, SimNetwork } from './sim-network.js'
import { SimProducer } from './sim-producer.js'
import { SimReader } from './sim-reader.js'
import type { SimWorld } from './sim-world.js'
import { drawOptions, type SwarmOptions } from './swarm-options.js'
import { Violation } from './violation.js'

/** Some hundred times what a run has. */
const EVENTS_MAX = 3_000_000

export interface SimulationOptions {
  readonly seed: number
  readonly mutant?: Mutant
  /** Keeps the last events, to be read after a failure. */
  readonly trace?: boolean
  /** Changes what the seed has drawn: for scenarios that are about one thing. */
  readonly adjust?: (options: SwarmOptions) => SwarmOptions
}

export interface SimulationResult {
  readonly seed: number
  /** Of all events; two runs of a seed have the same. */
  readonly hash: string
  readonly violation: Violation | null
  readonly eventCount: number
  readonly simulatedMs: number
  readonly ackCount: number
  readonly committedCount: number
  /** How often what happened. */
  readonly counts: ReadonlyMap<string, number>
  readonly lines: readonly string[]
}

export class Simulation implements SimWorld {
  readonly options: SwarmOptions
  readonly queue = new EventQueue()
  readonly log: EventLog
  readonly checker: Checker
  readonly network: SimNetwork
  readonly control: SimControlServer
  readonly brokers: SimBroker[] = []
  readonly mutant: Mutant
  isCalm = false
  private readonly seed: number
  private readonly producers: SimProducer[] = []
  private readonly nemesis: Nemesis
  private readonly controllers: SimController[]
  private readonly random: SeededRandom

  constructor ({ seed, mutant = NO_MUTANT, trace = false, adjust }: SimulationOptions) {
    const random = new SeededRandom(seed)
    this.seed = seed
    this.mutant = mutant
    const drawn = mutant.adjust(drawOptions(random.split()))
    this.options = adjust === undefined ? drawn : adjust(drawn)
    this.log = new EventLog(trace)
    this.checker = new Checker((store, partition, log) => this.safeOffset(store, partition, log),
      this.options.flush === 'sync')
    this.network = new SimNetwork(this.queue, random.split(), this.options.network, this.log,
      id => this.brokers[id]?.isAlive === true ? this.brokers[id]! : null)
    this.control = new SimControlServer(this.queue, random.split(), this.options.control)
    for (let id = 0; id < this.options.brokers; id++) this.brokers.push(new SimBroker(this, id, random.split()))
    this.controllers = ['left', 'right'].map(name => new SimController(this, random.split(), name))
    this.nemesis = new Nemesis(this, random.split(), this.controllers)
    this.random = random.split()
  }

  /** Runs it all. To be called from a task of its own: see `inTask`. */
  run (): SimulationResult {
    let violation: Violation | null = null
    try {
      this.begin()
      this.runUntil(this.options.chaosMs)
      this.end()
    } catch (error) {
      violation = error instanceof Violation ? error : new Violation('crash', String((error as Error).stack))
    }
    return {
      seed: this.seed,
      hash: this.log.hash,
      violation,
      eventCount: this.queue.count,
      simulatedMs: this.queue.nowMs,
      ackCount: this.checker.ackCount,
      committedCount: this.checker.committedCount,
      counts: this.log.counts,
      lines: this.log.lines,
    }
  }

  settle (): void {
    runMicrotasks()
  }

  onMoment (broker: SimBroker, moment: Moment): void {
    this.nemesis.onMoment(broker, moment)
  }

  private begin (): void {
    for (const broker of this.brokers) broker.start()
    this.runUntil(300)
    const records = new PartitionRecords(this.control.connect(), () => 'first')
    this.control.isCalm = true
    for (let partition = 0; partition < this.options.partitions; partition++) {
      const ids = this.brokers.map(({ id }) => id)
      while (ids.length > this.options.replicas) ids.splice(this.random.between(0, ids.length), 1)
      const members = ids.map((brokerId): Member => ({ brokerId, storeId: this.brokers[brokerId]!.storeId }))
      const leader = this.random.pick(members)
      const { incarnation } = this.brokers[leader.brokerId]!
      records.create(TOPIC, partition, nonce => firstRecord(members, leader, incarnation, nonce)).catch(() => {})
    }
    this.settle()
    this.runUntil(this.queue.nowMs + 100)
    this.control.isCalm = false
    for (const controller of this.controllers) controller.start()
    this.startClients()
    this.nemesis.start()
  }

  private startClients (): void {
    for (let partition = 0; partition < this.options.partitions; partition++) {
      for (let index = 0; index < this.options.producers; index++) {
        const producerId = partition * 100 + index
        // Every third writes to the state log.
        this.producers.push(new SimProducer(this.queue, this.random.split(), {
          brokerCount: this.brokers.length,
          produce: (brokerId, log, batch, answered) => {
            this.network.carry(CLIENT, brokerId, () => {
              const broker = this.brokers[brokerId]!
              broker.act(() => broker.partitions[partition]?.produce(log, batch, answer => {
                if (!answer.ok) this.log.add(this.queue.nowMs, 'refused', `${partition}.${log} ${answer.reason}`)
                this.network.carry(brokerId, CLIENT, () => answered(answer))
              }))
            })
          },
          onAck: (log, baseOffset, crc) => {
            this.log.add(this.queue.nowMs, 'ack', `${partition}.${log} ${baseOffset}`)
            this.checker.onAck(partition, log, baseOffset, crc)
          },
        }, producerId, index % 3 === 2 ? 1 : 0))
      }
    }
    new SimReader(this, this.random.split()).start()
  }

  private runUntil (limitMs: number): void {
    while (this.queue.step(limitMs)) {
      this.settle()
      if (this.checker.violation !== null) throw this.checker.violation
      if (this.queue.count > EVENTS_MAX) throw new Violation('liveness', `time stands still: ${EVENTS_MAX} events`)
    }
    this.queue.nowMs = Math.max(this.queue.nowMs, limitMs)
  }

  private end (): void {
    for (const producer of this.producers) producer.stop()
    this.nemesis.heal()
    const limitMs = this.queue.nowMs + this.options.healMs
    while (this.queue.nowMs < limitMs) {
      this.runUntil(this.queue.nowMs + 500)
      if (this.unrest() === null) return
    }
    throw new Violation('liveness', `${this.options.healMs} ms after everything was mended: ${this.unrest()}`)
  }

  /** What is not as it should be at the end; null where all is. */
  private unrest (): string | null {
    for (const [index, producer] of this.producers.entries()) {
      if (!producer.isDone) return `producer ${index} waits for an acknowledgement`
    }
    for (let partition = 0; partition < this.options.partitions; partition++) {
      const reason = this.unrestOf(partition)
      if (reason !== null) return `partition ${partition}: ${reason}`
    }
    return null
  }

  private unrestOf (partition: number): string | null {
    const record = this.control.peek(`/partitions/${TOPIC}/${partition}`) as PartitionRecord
    if (!record.active) return `epoch ${record.epoch} led by ${memberName(record.leader)} is not active`
    const leader = this.brokers[record.leader.brokerId]!.partitions[partition]?.replica
    if (leader?.open !== true || leader.epoch !== record.epoch) return `${memberName(record.leader)} does not lead ${record.epoch}`
    for (const member of record.replicas) {
      const broker = this.brokers[member.brokerId]!
      if (memberName(member) !== broker.store) return `${memberName(member)} is gone`
      const replica = broker.partitions[partition]?.replica
      for (const log of leader.logs) {
        const own = replica?.logs[log.index]
        if (own?.highWatermark !== log.nextOffset || own.nextOffset !== log.nextOffset) {
          return `log ${log.index} of ${broker.store} is at ${own?.highWatermark}/${own?.nextOffset} of ${log.highWatermark}/${log.nextOffset}`
        }
      }
      if (replica?.trusted !== true) return `${broker.store} is not trusted`
    }
    return null
  }

  private safeOffset (store: string, partition: number, log: number): number {
    const replica = this.brokers.find(each => each.store === store)?.partitions[partition]?.replica
    return replica?.trusted === true ? replica.logs[log]!.acknowledgedOffset : Infinity
  }
}
