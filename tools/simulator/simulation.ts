// One run: a cluster on virtual machines, with clients, under a seed. First everything goes wrong, then everything is
// mended, and then all has to come to rest in good order.
//
//   seed ─┬─ options            each part draws from a stream of its own, so that a change in one
//         ├─ network            does not shuffle all the others
//         ├─ broker 0, 1, …
//         ├─ control store
//         ├─ producers
//         └─ nemesis

import {
  BROKER_PREFIX, type BrokerRecord, firstRecord, memberName, memberOf, MOVE_PREFIX, type PartitionRecord,
  placementBroker, placePartitions, topicKey, type TopicRecord,
} from '@sluice/broker/simulation'
import { SeededRandom } from '../crash/seeded-random.js'
import { Audit } from './audit.js'
import { Checker } from './checker.js'
import { EventLog } from './event-log.js'
import { GroupChecker } from './group-checker.js'
import { queueConfigIn } from './group-options.js'
import { GroupWorkload } from './group-workload.js'
import { WALL_ERROR_MS } from './sim-group-host.js'
import { EventQueue } from './event-queue.js'
import { runMicrotasks } from './microtasks.js'
import { type Mutant, NO_MUTANT } from './mutants.js'
import { Nemesis } from './nemesis.js'
import { type Moment, SimBroker } from './sim-broker.js'
import { SimControlServer } from './sim-control-server.js'
import { CLIENT, SimNetwork } from './sim-network.js'
import { SimProducer } from './sim-producer.js'
import { SimReader } from './sim-reader.js'
import type { SimWorld } from './sim-world.js'
import { drawOptions, type SwarmOptions } from './swarm-options.js'
import { Violation } from './violation.js'

/** Brokers have so long to come up, while nothing goes wrong yet. */
const START_MS_MAX = 20_000
/** To read all that there is, nothing being wrong any more. */
const AUDIT_MS_MAX = 20_000
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
  readonly groupChecker: GroupChecker | null
  readonly network: SimNetwork
  readonly control: SimControlServer
  readonly brokers: SimBroker[] = []
  readonly mutant: Mutant
  readonly topic: TopicRecord
  isCalm = false
  private readonly seed: number
  private readonly producers: SimProducer[] = []
  private readonly nemesis: Nemesis
  private readonly groups: GroupWorkload | null
  /** What clients draw from. */
  private readonly clients: SeededRandom

  constructor ({ seed, mutant = NO_MUTANT, trace = false, adjust }: SimulationOptions) {
    const random = new SeededRandom(seed)
    this.seed = seed
    this.mutant = mutant
    const drawn = mutant.adjust(drawOptions(random.split()))
    this.options = adjust === undefined ? drawn : adjust(drawn)
    this.log = new EventLog(trace)
    this.checker = new Checker((store, partition, log) => this.safeOffset(store, partition, log),
      this.options.flush === 'sync')
    this.groupChecker = this.options.groups === null ? null : this.newGroupChecker()
    this.network = new SimNetwork(this.queue, random.split(), this.options.network, this.log,
      id => this.brokers[id]?.isAlive === true ? this.brokers[id]! : null)
    this.control = new SimControlServer(this.queue, random.split(), this.options.control)
    for (let id = 0; id < this.options.brokers; id++) this.brokers.push(new SimBroker(this, id, random.split()))
    this.nemesis = new Nemesis(this, random.split())
    this.clients = random.split()
    this.topic = topicOf(this.options, random.split())
    this.groups = this.groupChecker === null ? null : new GroupWorkload(this, random.split())
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
    this.control.isCalm = true
    for (const broker of this.brokers) broker.start()
    while (!this.brokers.every(({ isReady }) => isReady)) {
      this.runUntil(this.queue.nowMs + 100)
      if (this.queue.nowMs > START_MS_MAX) throw new Violation('liveness', `not all brokers start within ${START_MS_MAX} ms`)
    }
    this.createTopic()
    this.runUntil(this.queue.nowMs + 100)
    this.control.isCalm = false
    this.startClients()
    this.nemesis.start()
  }

  /** As a broker does it that is asked for a topic; the outcome is known here, so it is put down at once. */
  private createTopic (): void {
    const { topicId, partitions: to, replicationFactor } = this.topic
    const brokers = this.control.below(BROKER_PREFIX).map(({ value }) => value as BrokerRecord)
    const byId = new Map(brokers.map(broker => [broker.brokerId, broker]))
    const wanted = { topicId, from: 0, to, replicationFactor }
    this.control.commit(placePartitions(brokers.map(placementBroker), [], wanted).map(({ partition, replicas }) => {
      const holders = replicas.map(id => byId.get(id)!)
      const [leader] = holders
      const value = firstRecord(holders.map(memberOf), memberOf(leader!), leader!.incarnation, `first ${partition}`)
      return { key: `/partitions/${topicId}/${partition}`, value }
    }), [])
    this.control.commit([{ key: topicKey(this.topic.name), value: this.topic }], [])
  }

  private startClients (): void {
    for (let partition = 0; partition < this.options.partitions; partition++) {
      for (let index = 0; index < this.options.producers; index++) {
        const producerId = partition * 100 + index
        // Every third writes to the state log, where that is not the groups'.
        const log = this.groups === null && index % 3 === 2 ? 1 : 0
        this.producers.push(new SimProducer(this.queue, this.clients.split(), {
          brokerCount: this.brokers.length,
          produce: (brokerId, log, batch, answered) => {
            this.network.carry(CLIENT, brokerId, () => {
              const broker = this.brokers[brokerId]!
              broker.act(() => broker.produce(partition, log, batch, answer => {
                if (!answer.ok) this.log.add(this.queue.nowMs, 'refused', `${partition}.${log} ${answer.reason}`)
                this.network.carry(brokerId, CLIENT, () => answered(answer))
              }))
            })
          },
          mayLose: this.options.isAsync,
          onBegunAnew: () => this.log.add(this.queue.nowMs, 'producer anew', `${partition}.${log}`),
          addRecord: (builder, extras, text) => {
            if (this.groups !== null) this.groups.addRecord(builder, extras, text)
            else builder.append(null, text, Math.floor(this.queue.nowMs))
          },
          onAck: (log, baseOffset, crc, endOffset, { duplicates, epoch }) => {
            this.log.add(this.queue.nowMs, 'ack', `${partition}.${log} ${baseOffset}`)
            if (this.options.isAsync) this.checker.onLeaderAck(partition, log, baseOffset, crc, epoch)
            else this.checker.onAck(partition, log, baseOffset, crc)
            this.groupChecker?.queues[partition]!.onAcknowledged(baseOffset, endOffset, epoch, duplicates)
          },
        }, producerId, log))
      }
    }
    this.groups?.start()
    new SimReader(this, this.clients.split()).start()
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
    this.groups?.calm()
    this.nemesis.heal()
    const limitMs = this.queue.nowMs + this.options.healMs
    while (this.queue.nowMs < limitMs) {
      this.runUntil(this.queue.nowMs + 500)
      if (this.unrest() === null) {
        this.checkLeaderAcks()
        this.groups?.checkEnd()
        return this.audit()
      }
    }
    throw new Violation('liveness', `${this.options.healMs} ms after everything was mended: ${this.unrest()}`)
  }

  private checkLeaderAcks (): void {
    for (let partition = 0; partition < this.options.partitions; partition++) {
      const record = this.control.peek(`/partitions/${this.topic.topicId}/${partition}`) as PartitionRecord
      const lost = this.checker.checkLeaderAcks(partition, record.epoch)
      if (lost > 0) this.log.add(this.queue.nowMs, 'lost with a leader', `${partition} ${lost}`)
    }
    if (this.checker.violation !== null) throw this.checker.violation
  }

  private audit (): void {
    const audit = new Audit(this)
    audit.begin()
    const limitMs = this.queue.nowMs + AUDIT_MS_MAX
    while (!audit.isDone && this.queue.nowMs < limitMs) this.runUntil(this.queue.nowMs + 50)
    if (audit.violation !== null) throw audit.violation
    if (!audit.isDone) throw new Violation('liveness', `logs cannot be read within ${AUDIT_MS_MAX} ms`)
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
    return this.groups?.unrest() ?? null
  }

  private newGroupChecker (): GroupChecker {
    const { options: { groups, partitions, meanMs, clockDriftShare: driftShare }, checker } = this
    const groupChecker = new GroupChecker({
      config: queueConfigIn(groups!),
      skewMs: meanMs.clockJump > 0 ? WALL_ERROR_MS : 0,
      driftShare,
      nowMs: () => this.queue.nowMs,
      fail: (invariant, message) => checker.fail(invariant, message),
    }, partitions, partition => checker.committed(partition, 0).endOffset)
    checker.onCommitted = (partition, log, batch) => groupChecker.onCommitted(partition, log, batch)
    return groupChecker
  }

  private unrestOf (partition: number): string | null {
    const { topicId } = this.topic
    const record = this.control.peek(`/partitions/${topicId}/${partition}`) as PartitionRecord
    if (!record.active) return `epoch ${record.epoch} led by ${memberName(record.leader)} is not active`
    if (this.control.below(`${MOVE_PREFIX}${topicId}/${partition}`).length > 0) return 'its move is not done'
    if (record.learners.length > 0) return `${record.learners.map(memberName).join()} are learners still`
    const leader = this.brokers[record.leader.brokerId]!.replicaOf(partition)?.replica
    if (leader?.open !== true || leader.epoch !== record.epoch) return `${memberName(record.leader)} does not lead ${record.epoch}`
    for (const broker of this.brokers) {
      const replica = broker.replicaOf(partition)?.replica
      const member = record.replicas.find(({ brokerId }) => brokerId === broker.id)
      if (member === undefined) {
        if (replica !== undefined) return `${broker.store} holds what nobody asks of it`
        // A replica is no more before its files are gone: a disk takes its time.
        if (broker.keepsFilesOf(topicId, partition)) return `${broker.store} keeps files of a replica that nobody asks of it`
        continue
      }
      if (memberName(member) !== broker.store) return `${memberName(member)} is gone`
      for (const log of leader.logs) {
        const own = replica?.logs[log.index]
        const has = [own?.highWatermark, own?.nextOffset, own?.log.durableOffset]
        if (has.some(offset => offset !== log.nextOffset)) {
          return `log ${log.index} of ${broker.store} is at ${has.join('/')} of ${log.highWatermark}/${log.nextOffset}`
        }
      }
      if (replica?.trusted !== true) return `${broker.store} is not trusted`
    }
    return null
  }

  private safeOffset (store: string, partition: number, log: number): number {
    const replica = this.brokers.find(each => each.store === store)?.replicaOf(partition)?.replica
    return replica?.trusted === true ? replica.logs[log]!.acknowledgedOffset : Infinity
  }
}

function topicOf (
  { partitions, replicas: replicationFactor, groups }: SwarmOptions, random: SeededRandom,
): TopicRecord {
  // The ring goes by the id: so the first placement is another one in each run.
  const topicId = `topic-${random.between(0, 1_000_000)}`
  const kind = groups === null ? 'stream' : 'queue'
  const overrides = { ...groups?.settings }
  return { topicId, name: 'topic', kind, partitions, replicationFactor, overrides, createdAt: 0, version: 1 }
}
