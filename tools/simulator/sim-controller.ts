// Decides, as the controller of a cluster will: who leads where a leader is gone, and who takes part where a store was
// replaced or somebody asks for other replicas. It may be wrong about who is gone, late, or one of two: all it does is
// to compare and swap.

import {
  failOver, type Member, memberName, type PartitionRecord, PartitionRecords, reconfigure, sameMember, withLearners,
} from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import { type SimBroker, TOPIC } from './sim-broker.js'
import type { SimWorld } from './sim-world.js'

const STUCK_MS = 4_000

export class SimController {
  /** Of each partition: the brokers that are to hold it, where somebody asked for that. */
  readonly targets = new Map<number, readonly number[]>()
  private readonly world: SimWorld
  private readonly random: SeededRandom
  private readonly records: PartitionRecords
  private readonly suspectedSinceMs = new Map<number, number>()
  private readonly epochSeen = new Map<number, { epoch: number, sinceMs: number }>()
  private nonce = 0

  constructor (world: SimWorld, random: SeededRandom, name: string) {
    this.world = world
    this.random = random
    this.records = new PartitionRecords(world.control.connect(), () => `${name}.${this.nonce++}`)
  }

  start (): void {
    for (let partition = 0; partition < this.world.options.partitions; partition++) this.look(partition)
  }

  private look (partition: number): void {
    const again = (): void => {
      this.world.queue.after(100 + 300 * this.random.next(), () => {
        this.look(partition)
        this.world.settle()
      })
    }
    this.records.change(TOPIC, partition, (record, nonce) => this.decide(partition, record, nonce)).then(again, again)
  }

  private decide (partition: number, record: PartitionRecord, nonce: string): PartitionRecord | null {
    return this.replaceLeader(partition, record, nonce) ?? this.moveReplicas(partition, record, nonce)
  }

  private replaceLeader (partition: number, record: PartitionRecord, nonce: string): PartitionRecord | null {
    const { queue, isCalm, options } = this.world
    const nowMs = queue.nowMs
    const seen = this.epochSeen.get(partition)
    if (seen?.epoch !== record.epoch) this.epochSeen.set(partition, { epoch: record.epoch, sinceMs: nowMs })
    const isStuck = !record.active && nowMs - this.epochSeen.get(partition)!.sinceMs > STUCK_MS
    const isWrong = !isCalm && options.meanMs.falseSuspicion > 0 &&
      this.random.chance(Math.min(0.5, 250 / options.meanMs.falseSuspicion))
    if (this.isLeading(partition, record) && !isStuck && !isWrong) {
      this.suspectedSinceMs.delete(partition)
      return null
    }
    const sinceMs = this.suspectedSinceMs.get(partition) ?? nowMs
    this.suspectedSinceMs.set(partition, sinceMs)
    if (!isStuck && !isWrong && nowMs - sinceMs < 500) return null
    const leader = this.pickLeader(partition, record.replicas)
    if (leader === null) return null
    this.suspectedSinceMs.delete(partition)
    return failOver(record, this.memberOf(leader), leader.incarnation, nonce)
  }

  private isLeading (partition: number, record: PartitionRecord): boolean {
    const broker = this.world.brokers[record.leader.brokerId]!
    if (!broker.isReady || broker.isPaused || broker.incarnation !== record.leaderIncarnation) return false
    const { replica } = broker.partitions[partition]!
    return replica.epoch < record.epoch || replica.roleName === 'lead' || replica.roleName === 'recover'
  }

  private pickLeader (partition: number, replicas: readonly Member[]): SimBroker | null {
    const able = this.world.brokers.filter(broker => broker.isReady && !broker.isPaused &&
      replicas.some(member => sameMember(member, this.memberOf(broker))) &&
      broker.partitions[partition]!.replica.logs.every(({ log }) => log.state !== 'failed'))
    return able.length === 0 ? null : this.random.pick(able)
  }

  private memberOf (broker: SimBroker): Member {
    return { brokerId: broker.id, storeId: broker.storeId }
  }

  /** The members that there should be: where a store was replaced, the new one. */
  private wanted (partition: number, record: PartitionRecord): Member[] {
    const ids = this.targets.get(partition) ?? record.replicas.map(({ brokerId }) => brokerId)
    return ids.map(id => {
      const broker = this.world.brokers[id]!
      if (broker.isReady) return this.memberOf(broker)
      return record.replicas.find(({ brokerId }) => brokerId === id) ?? this.memberOf(broker)
    })
  }

  private moveReplicas (partition: number, record: PartitionRecord, nonce: string): PartitionRecord | null {
    const wanted = this.wanted(partition, record)
    const missing = wanted.filter(member => !record.replicas.some(replica => sameMember(replica, member)))
    if (missing.length === 0 && wanted.length === record.replicas.length) return null
    if (!missing.every(member => record.learners.some(learner => sameMember(learner, member)))) {
      return withLearners(record, missing, nonce)
    }
    const isHasty = !this.world.isCalm && this.random.chance(0.05)
    if (!isHasty && !missing.every(member => this.hasCaughtUp(partition, record, member))) return null
    const leader = this.pickLeader(partition, wanted)
    return leader === null ? null : reconfigure(record, wanted, this.memberOf(leader), leader.incarnation, nonce)
  }

  private hasCaughtUp (partition: number, record: PartitionRecord, member: Member): boolean {
    const leading = this.world.brokers[record.leader.brokerId]!.partitions[partition]?.replica.leading
    const { logs } = this.world.brokers[record.leader.brokerId]!.partitions[partition]?.replica ?? { logs: [] }
    const progress = leading?.progress().find(each => memberName(each.member) === memberName(member))
    return progress !== undefined && leading!.open &&
      logs.every(({ index, highWatermark }) => progress.matchOffsets[index]! >= highWatermark - 5)
  }
}
