// A machine with a broker on it: a disk and a meta store that outlive the process, and the process, which can be
// killed, stopped for a while, or lose its power or its disk.

import { memberName, type ReplicaMessage } from '@sluice/broker/simulation'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { Answered } from './sim-partition.js'
import { SimProcess } from './sim-process.js'
import type { SimReplica } from './sim-replica.js'
import type { SimWorld } from './sim-world.js'

/** What a moment is, for faults that are aimed. */
export type Moment = 'commit' | 'promise' | 'activation' | 'append'

const RESTART_MS = 500

export class SimBroker {
  readonly id: number
  disk: MemoryDisk
  meta: MemoryMetaStore
  bootCount = 0
  /** How wrong its wall clock is. */
  wallErrorMs = 0
  process: SimProcess | null = null
  /** The last one known; '' before the first start. */
  storeId = ''
  private readonly world: SimWorld
  private readonly random: SeededRandom
  private lives = 0
  private storeCount = 0

  constructor (world: SimWorld, id: number, random: SeededRandom) {
    this.world = world
    this.id = id
    this.random = random
    this.disk = this.newDisk()
    this.meta = this.newMeta()
  }

  get store (): string { return memberName({ brokerId: this.id, storeId: this.storeId }) }
  get isAlive (): boolean { return this.process !== null }
  get isReady (): boolean { return this.process?.isReady === true }
  get isPaused (): boolean { return this.process?.isPaused === true }
  /** '' while nothing runs. */
  get incarnation (): string { return this.process?.incarnation ?? '' }

  replicaOf (partition: number): SimReplica | undefined { return this.process?.replicaOf(partition) }
  replicas (): Iterable<SimReplica> { return this.process?.replicas() ?? [] }

  /** True where files of a partition lie on the disk, whether anybody has them open or not. */
  keepsFilesOf (topicId: string, partition: number): boolean {
    return this.disk.paths().some(path => path.startsWith(`/data/logs/${topicId}/${partition}/`))
  }

  // Life and death.

  start (): void {
    this.process = new SimProcess(this, this.world, `${this.id}.${++this.lives}`, this.random)
    this.log('start')
    this.process.start()
  }

  kill (): void {
    if (this.process === null) return
    this.log('kill')
    const { incarnation } = this
    this.end(false)
    this.disk.kill()
    this.meta.kill()
    this.closeConnections(incarnation)
  }

  powerCut (): void {
    if (this.process === null) return
    this.log('power-cut')
    this.end(true)
    this.disk.powerCut()
    this.meta.powerCut()
    this.bootCount++
  }

  /** Loses the disk: what comes back is empty. */
  wipe (): void {
    this.powerCut()
    this.log('wipe')
    this.disk = this.newDisk()
    this.meta = this.newMeta()
  }

  pause (): void { this.process?.pause() }
  resume (): void { this.process?.resume() }

  private end (isPowerCut: boolean): void {
    this.process!.end(isPowerCut)
    this.process = null
  }

  /** The system closes what a dead process had open: the others hear of it, where there is a way to them. */
  private closeConnections (incarnation: string): void {
    const { brokers, network } = this.world
    for (const other of brokers) {
      if (other === this) continue
      network.carry(this.id, other.id, () => {
        const { process } = other
        process?.run(() => process.peers.onBroken(this.id, incarnation))
      })
    }
  }

  /** What the process needs refused to answer: it ends, and somebody starts it again. */
  onBootFailed (process: SimProcess, reason: string): void {
    if (this.process !== process) return
    this.log(`boot-failed ${reason}`)
    this.kill()
    this.world.queue.after(RESTART_MS, () => { if (!this.isAlive) this.start() })
  }

  // Its store.

  freshStoreId (): string { return `s${this.id}.${this.storeCount}` }

  /** The name that the store turned out to have. */
  onStore (storeId: string): void {
    if (storeId === this.freshStoreId()) this.storeCount++
    this.storeId = storeId
  }

  private newDisk (): MemoryDisk {
    const { queue, options } = this.world
    const { writeMs, syncMs, slowShare, slowMs } = options.disk
    return new MemoryDisk({
      random: () => this.random.next(),
      now: () => Math.floor(queue.nowMs),
      schedule: (perform, { operation, delayMs }) => {
        const usualMs = operation === 'sync' || operation === 'syncDirectory' ? syncMs : writeMs
        const extraMs = !this.world.isCalm && this.random.chance(slowShare) ? this.random.next() * slowMs : 0
        const { process } = this
        queue.after(usualMs * (0.5 + this.random.next()) + extraMs + delayMs, () => process?.run(perform))
      },
    })
  }

  private newMeta (): MemoryMetaStore {
    const { queue, options } = this.world
    return new MemoryMetaStore({
      schedule: (commit) => {
        const { process } = this
        queue.after(options.disk.syncMs * (0.5 + this.random.next() * 2), () => process?.run(commit))
      },
    })
  }

  // What comes in.

  onMessage (from: number, partition: number, message: ReplicaMessage): void {
    this.act(() => this.replicaOf(partition)?.onMessage(from, message))
  }

  /** What a client sends; who does not hold the partition says who leads it. */
  produce (partition: number, log: number, batch: Buffer, answered: Answered): void {
    const replica = this.replicaOf(partition)
    if (replica !== undefined) return replica.partition.produce(log, batch, answered)
    const record = this.process?.cluster?.placements.get(this.world.topic.topicId, partition)?.record
    answered({ ok: false, reason: 'not-leader', leader: record?.leader.brokerId ?? -1 })
  }

  /** Runs something as the current process. */
  act (work: () => void): void {
    this.process?.run(work)
  }

  private log (kind: string): void {
    this.world.log.add(this.world.queue.nowMs, kind, `b${this.id}`)
  }
}
