// The clients of the groups of a run: consumers with sessions, members of stream groups that take over from each other,
// records with keys, delays and dedup ids for the producers, and an operator who lets stopped keys go on.

import { ORDER } from '@sluice/broker/simulation'
import { DEDUP_KEY_BYTES, laneOf, type RecordBatchBuilder, type RecordExtrasBuilder } from '@sluice/protocol'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { GroupChecker } from './group-checker.js'
import type { GroupOptions } from './group-options.js'
import { GroupServer, type Refusal } from './group-server.js'
import { HostedPartition } from './hosted-partition.js'
import type { SimBroker } from './sim-broker.js'
import { WALL_START_MS } from './event-queue.js'
import { SimGroupMember } from './sim-group-member.js'
import { CLIENT } from './sim-network.js'
import { type GroupNetwork, SimQueueConsumer } from './sim-queue-consumer.js'
import type { SimWorld } from './sim-world.js'

const OPERATOR_MS = 500
const CHECK_MS = 200

export class GroupWorkload implements GroupNetwork {
  readonly brokerCount: number
  readonly partitions: number
  private readonly world: SimWorld
  private readonly checker: GroupChecker
  private readonly options: GroupOptions
  private readonly random: SeededRandom
  private readonly consumers: SimQueueConsumer[] = []
  private readonly members: SimGroupMember[] = []
  private generation = 0
  private sessionCount = 0

  constructor (world: SimWorld, random: SeededRandom) {
    this.world = world
    this.random = random
    this.options = world.options.groups!
    this.checker = world.groupChecker!
    this.brokerCount = world.options.brokers
    this.partitions = world.options.partitions
  }

  start (): void {
    const { queue } = this.world
    for (let index = 0; index < this.options.consumers; index++) {
      const newSessionId = (): number => ++this.sessionCount
      this.consumers.push(new SimQueueConsumer(queue, this.random.split(), this, this.options, newSessionId))
    }
    for (let partition = 0; partition < this.partitions; partition++) this.rebalance(partition)
    this.operate()
    this.check()
  }

  /** From here on everything is acknowledged that can be received. */
  calm (): void {
    for (const consumer of this.consumers) consumer.calm()
    for (const member of this.members) member.calm()
  }

  // What producers send.

  addRecord (builder: RecordBatchBuilder, extras: RecordExtrasBuilder, text: string): void {
    const { random, options: { keys, delayedShare, expiresShare, dedupShare } } = this
    const nowMs = WALL_START_MS + Math.floor(this.world.queue.nowMs)
    const key = random.chance(0.9) ? keyOf(random.between(0, keys)) : null
    builder.append(key, text, nowMs)
    extras.append({
      ...(key === null ? {} : { lane: laneOf(key) }),
      ...(random.chance(delayedShare) ? { notBefore: nowMs + random.between(1, 4_000) } : {}),
      ...(random.chance(expiresShare) ? { expires: nowMs + random.between(1, 6_000) } : {}),
      ...(random.chance(0.3) ? { priority: random.between(0, 10) } : {}),
      ...(random.chance(dedupShare) ? { dedupKey: Buffer.alloc(DEDUP_KEY_BYTES, random.between(1, 40)) } : {}),
    })
  }

  // How clients reach brokers.

  ask<Answer> (
    brokerId: number, partition: number, ask: (server: GroupServer, reply: (answer: Answer | Refusal) => void) => void,
    answered: (answer: Answer | Refusal) => void,
  ): void {
    const { network, brokers } = this.world
    const reply = once((answer: Answer | Refusal) => network.carry(brokerId, CLIENT, once(() => answered(answer))))
    network.carry(CLIENT, brokerId, once(() => {
      const broker = brokers[brokerId]!
      broker.act(() => {
        const server = this.serverOf(broker, partition)
        if (server === null) reply({ ok: false, leader: -1 })
        else ask(server, reply)
      })
    }))
  }

  private serverOf (broker: SimBroker, partition: number): GroupServer | null {
    const hosted = broker.replicaOf(partition)?.partition
    if (!(hosted instanceof HostedPartition)) return null
    const { queue, log } = this.world
    const note = (kind: string, detail: string): void => log.add(queue.nowMs, kind, `b${broker.id} ${partition} ${detail}`)
    return new GroupServer(hosted, this.checker, () => queue.nowMs, note)
  }

  private atLeader (partition: number, run: (server: GroupServer) => void): void {
    for (const broker of this.world.brokers) {
      broker.act(() => {
        const server = this.serverOf(broker, partition)
        if (server !== null) run(server)
      })
    }
  }

  /** The next member of the stream group takes over. */
  private rebalance (partition: number): void {
    this.members[partition]?.leave()
    this.members[partition] =
      new SimGroupMember(this.world.queue, this.random.split(), this, partition, this.generation++)
    this.world.queue.after(this.options.rebalanceMs * 2 * this.random.next(), () => {
      if (!this.world.isCalm) this.rebalance(partition)
    })
  }

  /** Keys that have stopped go on after a while; in the end nothing waits for a minute. */
  private operate (): void {
    this.world.queue.after(OPERATOR_MS, () => {
      this.operate()
      const { settings: { order, poison }, keys } = this.options
      const isStopping = order === ORDER.key && poison !== 'dlq-one'
      for (let partition = 0; partition < this.partitions; partition++) {
        if (isStopping) {
          this.atLeader(partition, server => {
            for (let key = 0; key < keys; key++) server.resumeLane(laneOf(keyOf(key)))
          })
        }
        if (this.world.isCalm) {
          const far = this.checker.queues[partition]!.farDelayed()
          this.atLeader(partition, server => { for (const offset of far) server.bringForward(offset) })
        }
      }
    })
  }

  private check (): void {
    this.world.queue.after(CHECK_MS, () => {
      this.check()
      for (let partition = 0; partition < this.partitions; partition++) {
        this.atLeader(partition, server => server.check())
      }
    })
  }

  // The end.

  /** What has not come to rest; null where all has. */
  unrest (): string | null {
    for (let partition = 0; partition < this.partitions; partition++) {
      const reason = this.checker.queues[partition]!.unrest()
      if (reason !== null) return `partition ${partition}: ${reason}`
      if (!this.members[partition]!.isDone) return `partition ${partition}: the stream group has not committed all there is`
    }
    return null
  }

  checkEnd (): void {
    for (const queue of this.checker.queues) queue.checkEnd()
  }
}

/** What a connection carries it carries once. */
function once<Argument = void> (run: (argument: Argument) => void): (argument: Argument) => void {
  let isDone = false
  return argument => {
    if (isDone) return
    isDone = true
    run(argument)
  }
}

function keyOf (number: number): Buffer { return Buffer.from(`key ${number}`) }
