// One life of a broker: the product's membership, controller, metadata and replicas, put together as a broker does it,
// on a simulated machine.
//
//   boot ─ Cluster.open ─ LogStore.open ─ the name of the store ─ Cluster.start ─ ReplicaTable.start ─▶ ready
//            └ the control store or the disk does not answer: the process ends, and somebody starts it again
//
// All that happens in it goes through `run`: a dead process does nothing more, one that stands still does it later.
// After each the promises and the end of the turn have their turn, and then the checker looks.

import {
  Cluster, HandOverWatch, type Logger, type Member, memberName, type PartitionPlacements, PromiseStore, ReplicaTable,
  silentLogger, type TableSurroundings, type Timers,
} from '@sluice/broker/simulation'
import { LOG_CONFIG_DEFAULT, type LogConfig, type LogId, LogStore, type PartitionLog } from '@sluice/storage'
import type { SeededRandom } from '../crash/seeded-random.js'
import { WALL_START_MS } from './event-queue.js'
import { LifeMetaStore } from './life-meta-store.js'
import { type ShadowBatch, shadowOf } from './log-shadow.js'
import type { SimBroker } from './sim-broker.js'
import type { SimControlStore } from './sim-control-store.js'
import { SimGroupHost } from './sim-group-host.js'
import { SimPeers } from './sim-peers.js'
import { SimReplica } from './sim-replica.js'
import type { SimWorld } from './sim-world.js'

const TICK_MS = 25
const MOVES_MS = 250
const HEARTBEAT_MS = 500
const RETENTION_MS = 1_000
const NEVER = new AbortController().signal

export class SimProcess {
  readonly broker: SimBroker
  readonly world: SimWorld
  readonly incarnation: string
  readonly bootId: string
  readonly promises: PromiseStore
  readonly peers: SimPeers
  member: Member
  isAlive = true
  /** All is open. */
  isReady = false
  isPaused = false
  cluster: Cluster | null = null
  /** What queue groups and stream groups stand on; null where there are none. */
  groups: SimGroupHost | null = null
  readonly meta: LifeMetaStore
  /** What groups draw from. */
  readonly groupRandom: SeededRandom
  private readonly control: SimControlStore
  private handOver: HandOverWatch | null = null
  private readonly startedMs: number
  private readonly clockRate: number
  private readonly clockOffsetMs: number
  private table: ReplicaTable<SimReplica> | null = null
  /** Replicas that the checker looks at. */
  private observed: SimReplica[] = []
  private backlog: Array<() => void> = []
  private turn: Array<() => void> = []
  private idCount = 0
  private movesMs = 0

  constructor (broker: SimBroker, world: SimWorld, incarnation: string, random: SeededRandom) {
    const { queue, options } = world
    this.broker = broker
    this.world = world
    this.incarnation = incarnation
    this.bootId = `boot ${broker.bootCount}`
    this.member = { brokerId: broker.id, storeId: '' }
    this.meta = new LifeMetaStore(broker.meta, () => this.isAlive)
    this.promises = new PromiseStore(this.meta)
    this.control = world.control.connect(this)
    this.startedMs = queue.nowMs
    this.clockRate = 1 + (random.next() - 0.5) * 2 * options.clockDriftShare
    this.clockOffsetMs = random.between(0, 1_000_000)
    this.groupRandom = random.split()
    this.peers = new SimPeers((id, lost) => this.cluster?.onPeerLost(id, lost), id => this.cluster?.onPeerFound(id))
  }

  get isRunning (): boolean { return this.isAlive && !this.isPaused }
  get store (): string { return memberName(this.member) }
  get placements (): PartitionPlacements { return this.cluster!.placements }

  replicaOf (partition: number): SimReplica | undefined {
    return this.table?.find(this.world.topic.topicId, partition)
  }

  replicas (): Iterable<SimReplica> { return this.table?.all() ?? [] }

  // Time.

  monotonicMs (): number { return this.clockOffsetMs + (this.world.queue.nowMs - this.startedMs) * this.clockRate }
  wallMs (): number { return WALL_START_MS + Math.floor(this.world.queue.nowMs) + this.broker.wallErrorMs }
  endOfTurn (run: () => void): void { if (this.isAlive) this.turn.push(run) }

  readonly timers: Timers = {
    after: (delayMs, run) => this.world.queue.after(delayMs / this.clockRate, () => this.run(run)),
    every: (intervalMs, run) => {
      let isOver = false
      const next = (): void => {
        if (isOver || !this.isAlive) return
        this.world.queue.after(intervalMs / this.clockRate, () => this.run(() => {
          if (isOver) return
          run()
          next()
        }))
      }
      next()
      return () => { isOver = true }
    },
    endOfTurn: run => this.endOfTurn(run),
  }

  /** Runs something in this process. */
  run (work: () => void): void {
    if (!this.isAlive) return
    if (this.isPaused) {
      this.backlog.push(work)
      return
    }
    work()
    this.world.settle()
    while (this.isAlive && this.turn.length > 0) {
      const turn = this.turn
      this.turn = []
      for (const each of turn) each()
      this.world.settle()
    }
    if (!this.isAlive) return
    for (const replica of this.observed) {
      for (let grown = replica.observe(); grown > 0; grown--) this.world.onMoment(this.broker, 'append')
    }
  }

  /** The replica is about to go. */
  onClose (replica: SimReplica): void {
    this.observed = this.observed.filter(each => each !== replica)
  }

  pause (): void { this.isPaused = true }

  resume (): void {
    if (!this.isPaused) return
    this.isPaused = false
    const backlog = this.backlog
    this.backlog = []
    for (const work of backlog) this.run(work)
  }

  end (isPowerCut: boolean): void {
    for (const replica of this.replicas()) replica.onDeath(isPowerCut)
    this.isAlive = this.isReady = this.isPaused = false
    this.backlog = []
    this.turn = []
    void this.control.close()
  }

  // Starting up.

  start (): void {
    this.run(() => {
      this.boot().catch((error: Error) => {
        if (!['DiskError', 'ControlStoreError', 'BrokerIdTakenError'].includes(error.name)) throw error
        this.broker.onBootFailed(this, error.name)
      })
    })
  }

  private async boot (): Promise<void> {
    const clock = { monotonicMs: () => this.monotonicMs(), wallMs: () => this.wallMs() }
    const { control, timers } = this
    const makeId = (): string => `${this.incarnation}#${this.idCount++}`
    const logger = this.logger()
    this.cluster = await Cluster.open({ control, clock, timers, makeId, logger })
    const store = await this.openLogStore()
    if (this.world.options.groups !== null) this.groups = new SimGroupHost(this, store)
    const storeId = await this.nameOfStore()
    this.member = { brokerId: this.broker.id, storeId }
    this.broker.onStore(storeId)
    const { cluster, member, incarnation, promises } = this
    this.table = new ReplicaTable<SimReplica>(
      {
        self: member,
        incarnation,
        clock,
        promises,
        placements: cluster.placements,
        logger,
        partitions: this.partitions(),
      },
      {
        openLog: (id, config) => this.openLog(store, id, config).catch((error: Error) => {
          this.log(`not opened ${error.name}`, `${id.partition}.${indexOf(id)}`)
          throw error
        }),
        listLogs: () => store.listLogs(),
        deleteLog: id => this.deleteLog(store, id),
      },
      (placement, logs, stored) => {
        const replica = new SimReplica(this, placement, logs, stored)
        this.observed.push(replica)
        return replica
      })
    timers.every(TICK_MS, () => this.tick())
    timers.every(HEARTBEAT_MS, () => this.speak())
    timers.every(RETENTION_MS, () => this.removeOld())
    const address = { host: `broker-${this.broker.id}`, port: 1 }
    await cluster.start({ member, incarnation, address, rack: '' }, addresses => this.peers.setAddresses(
      [...addresses.keys()].filter(id => id !== this.broker.id)), promises.promisedEpochs())
    this.speak()
    await this.table.start()
    this.isReady = true
    this.log('ready', '')
  }

  private async openLogStore (): Promise<LogStore> {
    const { queue } = this.world
    const disk = this.broker.disk.attach()
    await disk.makeDirectory('/data')
    await disk.syncDirectory('/')
    return await LogStore.open({
      directory: '/data',
      disk,
      meta: this.meta,
      clock: { wallMs: () => this.wallMs(), monotonicMs: () => queue.nowMs },
      endOfTurn: run => this.endOfTurn(run),
      after: (delayMs, run) => queue.after(delayMs, () => this.run(run)),
      limits: { tailCacheBytes: 256 * 1024, preallocateBytes: 0, checkpointIntervalMs: 300, retryDelayMsMax: 400 },
      cleanStart: false,
      report: () => {},
    })
  }

  private nameOfStore (): Promise<string> {
    return new Promise((resolve, reject) => {
      this.promises.openStore(this.broker.freshStoreId(), (error, storeId) => this.run(() => {
        if (error === null) resolve(storeId)
        else reject(error)
      }))
    })
  }

  /** What the table needs to know of partitions: the settings of their logs. */
  private partitions (): TableSurroundings['partitions'] {
    const { segmentBytes, flush, retentionBytes } = this.world.options
    const config: LogConfig = { ...LOG_CONFIG_DEFAULT, segmentBytes, flush, flushIntervalMs: 200, retentionBytes }
    return {
      logConfigsOf: () => [config, config],
      forgetPartition: async (topicId, partition) => { await this.groups?.table.forgetPartition(topicId, partition) },
    }
  }

  /** Opens a log; the checker takes in what is on the disk. */
  private async openLog (store: LogStore, id: LogId, config: LogConfig): Promise<PartitionLog> {
    const { checker } = this.world
    const log = await store.openLog(id, config)
    const batches: ShadowBatch[] = []
    const index = indexOf(id)
    await log.replay(log.logStartOffset, batch => {
      batches.push(shadowOf(batch))
      this.world.groupChecker?.onAppend(id.partition, index, batch, 0)
    })
    const shadow = checker.shadow(this.store, id.partition, index)
    shadow.batches = []
    shadow.deadOffset = -1
    for (const batch of batches) checker.onAppend(this.store, id.partition, index, batch)
    return log
  }

  private async deleteLog (store: LogStore, id: LogId): Promise<void> {
    this.world.checker.onDelete(this.store, id.partition, indexOf(id))
    this.log('delete', `${id.partition}.${indexOf(id)}`)
    await store.deleteLog(id)
  }

  // At work.

  private tick (): void {
    const nowMs = this.monotonicMs()
    this.table!.tick()
    this.groups?.tick()
    this.peers.tick(nowMs)
    if (nowMs - this.movesMs < MOVES_MS) return
    this.movesMs = nowMs
    const cluster = this.cluster!
    cluster.completeMoves((topicId, partition, member) => this.table!.hasCaughtUp(topicId, partition, member))
      .catch(() => {})
    this.handOver ??= new HandOverWatch(cluster, silentLogger)
    this.handOver.tick(nowMs, this.table!)
  }

  /** Leaders remove what is old, the others what lies below the start of their leader's logs. */
  private removeOld (): void {
    for (const replica of this.replicas()) replica.applyRetention()
    this.table!.removeBelowStart(NEVER).catch(() => {})
  }

  /** Says to all others that it is there. */
  private speak (): void {
    const { network, brokers } = this.world
    const { broker: { id }, incarnation } = this
    for (const to of this.peers.addresses) {
      network.carry(id, to, () => {
        const process = brokers[to]?.process
        process?.run(() => process.peers.onHeard(id, incarnation, process.monotonicMs()))
      })
    }
  }

  log (kind: string, detail: string): void {
    this.world.log.add(this.world.queue.nowMs, kind, `b${this.broker.id} ${detail}`)
  }

  private logger (): Logger {
    const note = (_fields: object, message: string): void => this.log('says', message)
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger }
    return logger
  }
}

function indexOf ({ kind }: LogId): number { return kind === 'data' ? 0 : 1 }
