// What goes wrong, and when: by the clock, and at the moments where it hurts most.
//
// Some faults destroy what was durable. A quorum survives them at a minority of its members only, so each of these is
// held back where too many have lost something and are not whole again: that would prove nothing.

import {
  BROKER_PREFIX, type BrokerRecord, failOver, majorityOf, memberName, memberOf, moveKey, type PartitionRecord,
  PartitionRecords, type RecordChange, reconfigure, type ReplicaMove, sameMember,
} from '@sluice/broker/simulation'
import { checkBatch, nextOffsetOf, readBatchHeader } from '@sluice/protocol'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { Moment, SimBroker } from './sim-broker.js'
import type { SimWorld } from './sim-world.js'

const SEGMENT_HEADER_BYTES = 4096
const DAY_MS = 24 * 3_600_000

type FaultName = 'kill' | 'powerCut' | 'pause' | 'cut' | 'asymmetric' | 'wipe' | 'flip' | 'diskError' | 'readError' |
  'diskFull' | 'controlOutage' | 'reconfigure' | 'falseSuspicion' | 'clockJump' | 'allDown'

export class Nemesis {
  private readonly world: SimWorld
  private readonly random: SeededRandom
  /** A hand on the control store that nobody has thought through. */
  private readonly records: PartitionRecords
  /** Stores that may have lost something that was acknowledged. */
  private readonly lossy = new Set<string>()
  /** Stores with a flaw that nobody may have noticed yet. */
  private readonly flawed = new Set<string>()

  constructor (world: SimWorld, random: SeededRandom) {
    this.world = world
    this.random = random
    let nonce = 0
    this.records = new PartitionRecords(world.control.connect(), () => `nemesis ${nonce++}`)
  }

  start (): void {
    const { meanMs } = this.world.options
    this.every(meanMs.kill, 'kill', () => this.stop('kill', this.anyBroker()))
    this.every(meanMs.powerCut, 'powerCut', () => this.stop('powerCut', this.anyBroker()))
    this.every(meanMs.pause, 'pause', () => this.pause(this.anyBroker()))
    this.every(meanMs.cut, 'cut', () => this.isolate(this.anyBroker(), true))
    this.every(meanMs.asymmetric, 'asymmetric', () => this.isolate(this.anyBroker(), false))
    this.every(meanMs.wipe, 'wipe', () => this.wipe(this.anyBroker()))
    this.every(meanMs.flip, 'flip', () => this.flip(this.anyBroker()))
    this.every(meanMs.diskError, 'diskError', () => this.failSync(this.anyBroker()))
    this.every(this.world.options.readErrorMs, 'readError', () => this.failReads(this.anyBroker()))
    this.every(meanMs.diskFull, 'diskFull', () => this.fillDisk(this.anyBroker()))
    this.every(meanMs.controlOutage, 'controlOutage', () => this.controlOutage())
    this.every(meanMs.reconfigure, 'reconfigure', () => this.reconfigure())
    this.every(meanMs.falseSuspicion, 'falseSuspicion', () => this.depose())
    this.every(meanMs.clockJump, 'clockJump', () => this.jump(this.anyBroker()))
    this.every(meanMs.allDown, 'allDown', () => this.allDown())
  }

  /** Strikes right where something has just happened, now and then. */
  onMoment (broker: SimBroker, moment: Moment): void {
    const { aimed } = this.world.options
    if (this.world.isCalm || aimed[moment] === 0 || !this.random.chance(aimed[moment])) return
    const delayMs = this.random.chance(0.5) ? 0 : this.random.next() * 5
    this.world.queue.after(delayMs, () => {
      if (this.world.isCalm || !broker.isAlive) return
      this.note(`aimed at ${moment}`, broker)
      const draw = this.random.next()
      if (draw < 0.3) this.stop('kill', broker)
      else if (draw < 0.6) this.stop('powerCut', broker)
      else if (draw < 0.75) this.pause(broker)
      else this.isolate(broker, this.random.chance(0.5))
    })
  }

  /** Mends everything, for good. */
  heal (): void {
    const { network, control, brokers } = this.world
    this.world.isCalm = network.isCalm = control.isCalm = true
    control.isDown = false
    network.mendAll()
    for (const broker of brokers) {
      broker.disk.clearFaults()
      broker.disk.setCapacity(Infinity)
      broker.resume()
      const hasFailed = [...broker.replicas()].some(({ replica }) => replica.logs.some(({ log }) => log.state === 'failed'))
      if (hasFailed) broker.kill()
      if (!broker.isAlive) broker.start()
    }
  }

  private every (meanMs: number, name: FaultName, strike: () => void): void {
    if (meanMs === 0) return
    this.world.queue.after(meanMs * 2 * this.random.next(), () => {
      if (this.world.isCalm) return
      this.world.log.add(this.world.queue.nowMs, `fault ${name}`, '')
      strike()
      this.every(meanMs, name, strike)
    })
  }

  private later (fromMs: number, toMs: number, mend: () => void): void {
    this.world.queue.after(fromMs + (toMs - fromMs) * this.random.next(), () => { if (!this.world.isCalm) mend() })
  }

  private anyBroker (): SimBroker { return this.random.pick(this.world.brokers) }

  private note (what: string, broker: SimBroker): void {
    this.world.log.add(this.world.queue.nowMs, what, `b${broker.id}`)
  }

  private stop (how: 'kill' | 'powerCut', broker: SimBroker): void {
    if (!broker.isAlive) return
    if (how === 'kill' || !this.mayLose(broker)) broker.kill()
    else broker.powerCut()
    this.restartLater(broker)
  }

  private restartLater (broker: SimBroker): void {
    this.later(20, this.random.chance(0.5) ? 300 : 4_000, () => { if (!broker.isAlive) broker.start() })
  }

  /** True where a power cut loses nothing that was acknowledged, or may lose it. */
  private mayLose (broker: SimBroker): boolean {
    return this.world.options.flush === 'sync' || this.claimLoss(broker)
  }

  private pause (broker: SimBroker): void {
    if (!broker.isAlive || broker.isPaused) return
    broker.pause()
    this.later(50, 6_000, () => broker.resume())
  }

  /** Cuts a broker off some of the others, both ways or one. */
  private isolate (broker: SimBroker, isSymmetric: boolean): void {
    const { network, brokers } = this.world
    const isInward = this.random.chance(0.5)
    const links: Array<[number, number]> = []
    for (const other of brokers) {
      if (other === broker || this.random.chance(0.25)) continue
      if (isSymmetric || isInward) links.push([other.id, broker.id])
      if (isSymmetric || !isInward) links.push([broker.id, other.id])
    }
    for (const [from, to] of links) network.cut(from, to)
    this.later(100, 5_000, () => { for (const [from, to] of links) network.mend(from, to) })
  }

  private wipe (broker: SimBroker): void {
    if (!broker.isReady || !this.claimLoss(broker)) return
    broker.wipe()
    this.restartLater(broker)
  }

  /** Flips a bit of a file while nobody looks. */
  private flip (broker: SimBroker): void {
    if (!broker.isReady || !this.claimLoss(broker)) return
    this.flawed.add(broker.store)
    if (this.world.options.flush === 'sync' && this.random.chance(0.5)) broker.powerCut()
    else broker.kill()
    const paths = broker.disk.paths().filter(path => path.endsWith('.log'))
    const path = this.random.pick(paths.length > 0 ? paths : [''])
    const endPosition = path === '' ? 0 : knownDurableEnd(broker.disk.contents(path))
    if (endPosition > SEGMENT_HEADER_BYTES) {
      broker.disk.flipBit(path, this.random.between(SEGMENT_HEADER_BYTES, endPosition), this.random.between(0, 8))
    }
    this.restartLater(broker)
  }

  /** A sync fails once; the log concerned takes nothing until the process is started anew. */
  private failSync (broker: SimBroker): void {
    if (!broker.isReady || !this.claimLoss(broker)) return
    const dirty = this.random.pick(['kept', 'reverted', 'forgotten'] as const)
    const { store } = broker
    this.flawed.add(store)
    broker.disk.fail({ operation: 'sync', path: /\.log$/, code: 'EIO', times: 1, dirty })
    this.later(500, 4_000, () => {
      broker.disk.clearFaults()
      broker.kill()
      this.flawed.delete(store)
      this.restartLater(broker)
    })
  }

  /**
   * The files of logs cannot be read for a while, or once. Nothing is lost by that: who cannot read gives up what it
   * leads, or does not come up, until it can.
   */
  private failReads (broker: SimBroker): void {
    const times = this.random.chance(0.5) ? {} : { times: 1 }
    const mend = broker.disk.fail({ operation: 'read', path: /\.log$/, code: 'EIO', ...times })
    // What was appended lately is in memory: it takes a process that begins to read much.
    if (this.random.chance(0.7)) this.stop('kill', broker)
    this.later(200, 3_000, mend)
  }

  private fillDisk (broker: SimBroker): void {
    if (!broker.isAlive) return
    let usedBytes = 0
    for (const path of broker.disk.paths()) usedBytes += broker.disk.contents(path).length
    const { disk } = broker
    disk.setCapacity(usedBytes + this.random.between(0, 2_000))
    this.later(200, 4_000, () => disk.setCapacity(Infinity))
  }

  private controlOutage (): void {
    this.world.control.isDown = true
    this.later(500, 6_000, () => { this.world.control.isDown = false })
  }

  /** Asks for other replicas, more or fewer; now and then has them changed before they have caught up. */
  private reconfigure (): void {
    const { options, brokers, topic, control, queue } = this.world
    const partition = this.random.between(0, options.partitions)
    const { wipe, flip, diskError } = options.meanMs
    // A single replica has nobody to get back from what it loses.
    const isLossy = wipe + flip + diskError > 0 || options.flush !== 'sync'
    const counts = options.brokers === 5 ? [1, 3, 5] : [1, 3]
    const count = this.random.pick(isLossy ? counts.slice(1) : counts)
    const ids = brokers.map(({ id }) => id)
    const replicas: number[] = []
    while (replicas.length < count) replicas.push(...ids.splice(this.random.between(0, ids.length), 1))
    if (this.random.chance(0.2)) return this.change(partition, (record, nonce) => this.hasten(record, replicas, nonce))
    const value: ReplicaMove = { replicas, askedAt: Math.floor(queue.nowMs) }
    control.commit([{ key: moveKey(topic.topicId, partition), value }], [])
  }

  /** The record with other replicas, whatever they have. */
  private hasten (record: PartitionRecord, ids: readonly number[], nonce: string): PartitionRecord | null {
    const brokers = this.registered()
    const members = ids.flatMap(id => {
      const broker = brokers.find(({ brokerId }) => brokerId === id)
      return broker === undefined ? [] : [memberOf(broker)]
    })
    if (members.length < ids.length) return null
    const leader = brokers.find(({ brokerId }) => brokerId === this.random.pick(ids))!
    return reconfigure(record, members, memberOf(leader), leader.incarnation, nonce)
  }

  /** Another leader, for no reason at all. */
  private depose (): void {
    this.change(this.random.between(0, this.world.options.partitions), (record, nonce) => {
      const able = this.registered().filter(broker =>
        record.replicas.some(member => sameMember(member, memberOf(broker))))
      if (able.length === 0) return null
      const leader = this.random.pick(able)
      return failOver(record, memberOf(leader), leader.incarnation, nonce)
    })
  }

  private change (partition: number, change: RecordChange): void {
    this.records.change(this.world.topic.topicId, partition, change).catch(() => {})
  }

  private registered (): BrokerRecord[] {
    return this.world.control.below(BROKER_PREFIX).map(({ value }) => value as BrokerRecord)
  }

  /** The wall clock is a day off, for good: nothing but timestamps may go by it. */
  private jump (broker: SimBroker): void {
    broker.wallErrorMs = this.random.between(-DAY_MS, DAY_MS)
  }

  private allDown (): void {
    const isCut = this.world.options.flush === 'sync' && this.random.chance(0.7)
    for (const broker of this.world.brokers) this.stop(isCut ? 'powerCut' : 'kill', broker)
  }

  // What may be lost.

  /** Marks a store as one that loses something, where so few others do that every set keeps a majority. */
  private claimLoss (broker: SimBroker): boolean {
    if (!broker.isReady) return false
    this.forgetMended()
    const others = [...this.lossy].filter(store => store !== broker.store).length
    const { meanMs, replicas } = this.world.options
    const smallestSet = meanMs.reconfigure > 0 ? Math.min(3, replicas) : replicas
    if (others + 1 > smallestSet - majorityOf(smallestSet)) return false
    this.lossy.add(broker.store)
    return true
  }

  /** Forgets who is whole again, or was replaced everywhere. */
  private forgetMended (): void {
    const named = new Set<string>()
    for (let partition = 0; partition < this.world.options.partitions; partition++) {
      const record = this.world.control.peek(`/partitions/${this.world.topic.topicId}/${partition}`) as PartitionRecord
      for (const set of [...record.prev, record.replicas]) for (const member of set) named.add(memberName(member))
    }
    for (const store of this.lossy) {
      const broker = this.world.brokers.find(each => each.store === store)
      if (broker === undefined) {
        if (!named.has(store)) this.lossy.delete(store)
      } else if (!this.flawed.has(store) && broker.isReady && [...broker.replicas()].every(({ replica }) =>
        replica.trusted && replica.logs.every(log => log.damagedFrom < 0 && log.log.state !== 'failed'))) {
        this.lossy.delete(store)
      }
    }
  }
}

/**
 * Up to where a later batch says that all was durable. What is behind may be damaged like anything else, but right
 * after a crash nobody can tell it from what was being written: a flaw there, just before a crash, goes unnoticed.
 */
function knownDurableEnd (contents: Buffer): number {
  let committedOffset = 0
  const ends: Array<{ offset: number, position: number }> = []
  for (let at = SEGMENT_HEADER_BYTES; checkBatch(contents, at) === null;) {
    const header = readBatchHeader(contents, at)
    committedOffset = Math.max(committedOffset, header.committedOffset)
    at += header.size
    ends.push({ offset: nextOffsetOf(header), position: at })
  }
  return ends.findLast(({ offset }) => offset <= committedOffset)?.position ?? 0
}
