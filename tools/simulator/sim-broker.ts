// A machine with a broker on it: a disk and a meta store that outlive the process, and the process, which can be
// killed, stopped for a while, or lose its power or its disk.
//
// All that happens in a process goes through `run`: a dead one does nothing more, a stopped one does it later. After
// each the promises and the end of the turn have their turn, and then the checker looks.

import {
  activate, memberName, type PartitionRecord, PartitionRecords, PromiseStore, Replica, type ReplicaHost,
  type ReplicaMessage, type ReplicaRole, type StoredPromise,
} from '@sluice/broker/simulation'
import { BATCH_POSITION } from '@sluice/protocol'
import { LOG_CONFIG_DEFAULT, LogStore, type PartitionLog } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import type { SeededRandom } from '../crash/seeded-random.js'
import { LifeMetaStore } from './life-meta-store.js'
import { type ShadowBatch, shadowOf } from './log-shadow.js'
import type { SimControlStore } from './sim-control-store.js'
import { SimPartition } from './sim-partition.js'
import type { SimWorld } from './sim-world.js'

export const TOPIC = 'topic'
export const LOG_KINDS = ['data', 'state'] as const
const TICK_MS = 25

/** What a moment is, for faults that are aimed. */
export type Moment = 'commit' | 'promise' | 'activation' | 'append'

export class SimBroker {
  readonly id: number
  incarnation = ''
  storeId = ''
  isAlive = false
  isPaused = false
  partitions: SimPartition[] = []
  disk: MemoryDisk
  meta: MemoryMetaStore
  bootCount = 0
  private readonly world: SimWorld
  private readonly random: SeededRandom
  private readonly highWatermarks = new Map<string, number>()
  /** The end of each log when the checker last looked. */
  private observed: number[] = []
  private life = 0
  private storeCount = 0
  private records: PartitionRecords | null = null
  private control: SimControlStore | null = null
  private backlog: Array<() => void> = []
  private endOfTurn: Array<() => void> = []
  private startedMs = 0
  private clockRate = 1
  private clockOffsetMs = 0

  constructor (world: SimWorld, id: number, random: SeededRandom) {
    this.world = world
    this.id = id
    this.random = random
    this.disk = this.newDisk()
    this.meta = this.newMeta()
  }

  get store (): string { return memberName({ brokerId: this.id, storeId: this.storeId }) }
  get isReady (): boolean { return this.isAlive && this.partitions.length > 0 }

  // Life and death.

  start (): void {
    const { options, queue } = this.world
    const life = ++this.life
    this.isAlive = true
    this.isPaused = false
    this.incarnation = `${this.id}.${life}`
    this.startedMs = queue.nowMs
    this.clockRate = 1 + (this.random.next() - 0.5) * 2 * options.clockDriftShare
    this.clockOffsetMs = this.random.between(0, 1_000_000)
    this.log('start', '')
    this.run(life, () => this.boot(life))
  }

  kill (): void {
    if (!this.isAlive) return
    this.log('kill', '')
    this.end(false)
    this.disk.kill()
    this.meta.kill()
  }

  powerCut (): void {
    if (!this.isAlive) return
    this.log('power-cut', '')
    this.end(true)
    this.disk.powerCut()
    this.meta.powerCut()
    this.bootCount++
  }

  /** Loses the disk: what comes back is empty. */
  wipe (): void {
    this.powerCut()
    this.log('wipe', '')
    this.disk = this.newDisk()
    this.meta = this.newMeta()
  }

  pause (): void { this.isPaused = true }

  resume (): void {
    if (!this.isPaused) return
    this.isPaused = false
    const backlog = this.backlog
    this.backlog = []
    for (const run of backlog) run()
  }

  private end (isPowerCut: boolean): void {
    for (const [partition, { replica }] of this.partitions.entries()) {
      for (const { index, log } of replica.logs) {
        const isLost = isPowerCut && log.config.flush !== 'sync'
        const shadow = this.world.checker.shadow(this.store, partition, index)
        shadow.deadOffset = isLost ? Number.MAX_SAFE_INTEGER : log.acknowledgedOffset
      }
    }
    this.life++
    this.isAlive = false
    this.isPaused = false
    this.partitions = []
    this.backlog = []
    this.endOfTurn = []
    this.control?.close().catch(() => {})
    this.control = null
  }

  /** Runs something in the process of `life`. */
  run (life: number, work: () => void): void {
    if (life !== this.life || !this.isAlive) return
    if (this.isPaused) {
      this.backlog.push(() => this.run(life, work))
      return
    }
    work()
    this.world.settle()
    while (life === this.life && this.endOfTurn.length > 0) {
      const turn = this.endOfTurn
      this.endOfTurn = []
      for (const each of turn) each()
      this.world.settle()
    }
    if (life === this.life) this.observe()
  }

  // Starting up.

  private boot (life: number): void {
    const promises = new PromiseStore(new LifeMetaStore(this.meta, () => life === this.life))
    const fresh = `s${this.id}.${this.storeCount}`
    promises.openStore(fresh, (_error, storeId) => this.run(life, () => {
      if (storeId === fresh) this.storeCount++
      this.storeId = storeId
      this.openLogs(life, promises).catch((error: Error) => {
        if (error.name !== 'DiskError') throw error
        this.onBootFailed(life)
      })
    }))
  }

  /** The disk refused: somebody starts it again. */
  private onBootFailed (life: number): void {
    if (life !== this.life) return
    this.log('boot-failed', '')
    this.kill()
    this.world.queue.after(500, () => { if (!this.isAlive) this.start() })
  }

  private async openLogs (life: number, promises: PromiseStore): Promise<void> {
    const store = await this.openLogStore(life)
    const { options } = this.world
    const isCurrent = (): boolean => life === this.life
    const partitions: SimPartition[] = []
    for (let partition = 0; partition < options.partitions; partition++) {
      const logs: PartitionLog[] = []
      for (const [index, kind] of LOG_KINDS.entries()) {
        const { segmentBytes, flush } = options
        const config = { ...LOG_CONFIG_DEFAULT, segmentBytes, flush, flushIntervalMs: 200 }
        const log = await store.openLog({ topicId: TOPIC, partition, kind }, config)
        await this.readShadow(partition, index, log, isCurrent)
        logs.push(log)
      }
      if (!isCurrent()) return
      partitions.push(this.openPartition(life, partition, logs, promises))
    }
    this.partitions = partitions
    this.observed = []
    let nonce = 0
    this.control = this.world.control.connect(() => !this.isPaused)
    this.records = new PartitionRecords(this.control, () => `${this.incarnation}.${nonce++}`)
    this.records.watch(TOPIC, partition => this.run(life, () => this.readRecord(life, partition)))
    this.poll(life)
    this.tick(life)
  }

  private async openLogStore (life: number): Promise<LogStore> {
    const { queue } = this.world
    const isCurrent = (): boolean => life === this.life
    const disk = this.disk.attach()
    await disk.makeDirectory('/data')
    await disk.syncDirectory('/')
    return await LogStore.open({
      directory: '/data',
      disk,
      meta: new LifeMetaStore(this.meta, isCurrent),
      clock: { wallMs: () => Math.floor(queue.nowMs), monotonicMs: () => queue.nowMs },
      endOfTurn: run => { if (isCurrent()) this.endOfTurn.push(run) },
      after: (delayMs, run) => queue.after(delayMs, () => this.run(life, run)),
      limits: { tailCacheBytes: 256 * 1024, preallocateBytes: 0, checkpointIntervalMs: 300, retryDelayMsMax: 400 },
      cleanStart: false,
      report: () => {},
    })
  }

  /** The checker takes in what is on the disk. */
  private async readShadow (
    partition: number, index: number, log: PartitionLog, isCurrent: () => boolean
  ): Promise<void> {
    const batches: ShadowBatch[] = []
    await log.replay(log.logStartOffset, batch => batches.push(shadowOf(batch)))
    if (!isCurrent()) return
    const shadow = this.world.checker.shadow(this.store, partition, index)
    shadow.batches = []
    shadow.deadOffset = -1
    for (const batch of batches) this.world.checker.onAppend(this.store, partition, index, batch)
  }

  private openPartition (
    life: number, partition: number, logs: readonly PartitionLog[], promises: PromiseStore
  ): SimPartition {
    const { checker, mutant } = this.world
    const stored = mutant.forgetsPromises ? null : promises.load(TOPIC, partition)
    const replica = new Replica({
      host: this.hostOf(life, partition, promises),
      logs,
      stored,
      bootId: `boot ${this.bootCount}`,
      rules: mutant.rules,
    })
    for (const log of replica.logs) this.highWatermarks.set(`${partition}:${log.index}`, log.highWatermark)
    checker.onStart(this.store, partition, replica.promised)
    return new SimPartition(replica, !mutant.acknowledgesDuplicatesEarly)
  }

  // The process.

  private hostOf (life: number, partition: number, promises: PromiseStore): ReplicaHost {
    const { checker, queue, network } = this.world
    const isCurrent = (): boolean => life === this.life
    const self = { brokerId: this.id, storeId: this.storeId }
    const { incarnation } = this
    return {
      self,
      incarnation,
      monotonicMs: () => this.clockOffsetMs + (queue.nowMs - this.startedMs) * this.clockRate,
      wallMs: () => queue.nowMs,
      endOfTurn: run => { if (isCurrent()) this.endOfTurn.push(run) },
      send: (brokerId, message) => {
        if (!isCurrent()) return
        this.checkAnswer(partition, message)
        network.send(this.id, brokerId, partition, message)
      },
      savePromise: (promise, done) => this.savePromise(life, partition, promises, promise, done),
      activate: record => this.activate(life, partition, record),
      onRole: (role, epoch) => this.onRole(partition, role, epoch),
      onOpen: epoch => {
        for (const { index, startOffset } of this.replica(partition).logs) {
          this.observeLog(partition, index)
          checker.onOpen(this.store, partition, index, startOffset, epoch)
        }
        this.log('open', `${partition} e${epoch}`)
        this.partitions[partition]!.onOpen(epoch, isCurrent)
        this.world.onMoment(this, 'activation')
      },
      onQuorum: hasQuorum => this.log('quorum', `${partition} ${String(hasQuorum)}`),
      onHighWatermark: (log, offset) => this.onHighWatermark(partition, log, offset),
      onLogAdvance: () => {},
      onTruncate: (log, offset) => this.onTruncate(partition, log, offset),
      report: (kind, message) => this.log(`report ${kind}`, `${partition} ${message}`),
    }
  }

  private replica (partition: number): Replica {
    return this.partitions[partition]!.replica
  }

  private savePromise (
    life: number, partition: number, promises: PromiseStore, promise: StoredPromise, done: (error: Error | null) => void
  ): void {
    const { checker, queue, mutant } = this.world
    const { store } = this
    const saved = (error: Error | null): void => this.run(life, () => {
      checker.onPromise(store, partition, promise.promised)
      this.log('promised', `${partition} e${promise.promised}`)
      done(error)
      this.world.onMoment(this, 'promise')
    })
    if (mutant.forgetsPromises) queue.after(1, () => saved(null))
    else promises.save(TOPIC, partition, promise, saved)
  }

  private activate (life: number, partition: number, record: PartitionRecord): void {
    this.records!.change(TOPIC, partition, (current, nonce) => activate(current, record.epoch, nonce)).then(
      (after) => { if (after !== null) this.run(life, () => this.replica(partition).onRecord(after)) },
      () => {})
  }

  private checkAnswer (partition: number, { kind, epoch }: ReplicaMessage): void {
    if (kind === 'promise' || kind === 'durable-ack' || kind === 'fetch' || kind === 'fetched' || kind === 'pulled') {
      this.world.checker.onAnswer(this.store, partition, epoch, kind)
    }
  }

  private onRole (partition: number, role: ReplicaRole, epoch: number): void {
    const { checker } = this.world
    this.log(`role ${role}`, `${partition} e${epoch}`)
    this.partitions[partition]?.onRole()
    if (role === 'recover') checker.onLead(partition, epoch, this.incarnation)
    if (role === 'lead') checker.onRecovered(partition, this.replica(partition).record!)
  }

  private onHighWatermark (partition: number, log: number, offset: number): void {
    const replica = this.replica(partition)
    const key = `${partition}:${log}`
    const before = this.highWatermarks.get(key)!
    this.highWatermarks.set(key, offset)
    this.observeLog(partition, log)
    const set = replica.roleName === 'lead' ? replica.leading!.record.replicas.map(memberName) : null
    this.world.checker.onHighWatermark(this.store, partition, log, before, offset, set, replica.epoch)
    if (set !== null) this.log('commit', `${partition}.${log} ${offset}`)
    this.partitions[partition]!.onHighWatermark(log, offset)
    if (set !== null) this.world.onMoment(this, 'commit')
  }

  private onTruncate (partition: number, log: number, offset: number): void {
    const { checker } = this.world
    this.observed[partition * LOG_KINDS.length + log] = -1
    this.log('truncate', `${partition}.${log} ${offset}`)
    const highWatermark = this.highWatermarks.get(`${partition}:${log}`) ?? 0
    const replica = this.partitions[partition]?.replica
    checker.onTruncate(this.store, partition, log, offset, highWatermark, replica?.trusted !== true)
  }

  /** Tells the checker of every batch that is new. */
  private observe (): void {
    for (let partition = 0; partition < this.partitions.length; partition++) {
      for (let log = 0; log < LOG_KINDS.length; log++) if (this.observeLog(partition, log)) this.world.onMoment(this, 'append')
    }
  }

  private observeLog (partition: number, index: number): boolean {
    const { checker } = this.world
    const { log } = this.replica(partition).logs[index]!
    const place = partition * LOG_KINDS.length + index
    if (this.observed[place] === log.nextOffset) return false
    this.observed[place] = log.nextOffset
    const shadow = checker.shadow(this.store, partition, index)
    if (shadow.endOffset >= log.nextOffset) return false
    const from = Math.max(shadow.endOffset, log.logStartOffset)
    const slice = log.readCached(from, Number.MAX_SAFE_INTEGER, log.nextOffset)
    if (slice === null) return false
    for (const bytes of slice.buffers) {
      for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at + BATCH_POSITION.size)) {
        checker.onAppend(this.store, partition, index, shadowOf(bytes, at))
      }
    }
    return true
  }

  onMessage (from: number, partition: number, message: ReplicaMessage): void {
    const life = this.life
    this.run(life, () => this.partitions[partition]?.replica.onMessage(from, message))
  }

  /** Runs something as the current process. */
  act (work: () => void): void {
    this.run(this.life, work)
  }

  // Time.

  private tick (life: number): void {
    if (life !== this.life) return
    this.world.queue.after(TICK_MS * (0.5 + this.random.next()), () => {
      this.run(life, () => { for (const { replica } of this.partitions) replica.tick() })
      this.tick(life)
    })
  }

  private poll (life: number): void {
    if (life !== this.life) return
    for (let partition = 0; partition < this.partitions.length; partition++) this.readRecord(life, partition)
    this.world.queue.after(1_000 + 2_000 * this.random.next(), () => this.run(life, () => this.poll(life)))
  }

  private readRecord (life: number, partition: number): void {
    this.records!.read(TOPIC, partition).then(
      record => { if (record !== null) this.run(life, () => this.replica(partition).onRecord(record)) },
      () => {})
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
        const life = this.life
        queue.after(usualMs * (0.5 + this.random.next()) + extraMs + delayMs, () => this.run(life, perform))
      },
    })
  }

  private newMeta (): MemoryMetaStore {
    const { queue, options } = this.world
    return new MemoryMetaStore({
      schedule: (commit) => {
        const life = this.life
        queue.after(options.disk.syncMs * (0.5 + this.random.next() * 2), () => this.run(life, commit))
      },
    })
  }

  private log (kind: string, detail: string): void {
    this.world.log.add(this.world.queue.nowMs, kind, `b${this.id} ${detail}`)
  }
}
