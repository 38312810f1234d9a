// A replica on a simulated broker: the product's, with somebody looking on at each thing that it does.
//
//   ReplicaTable (product) ─▶ SimReplica ─▶ Replica (product)
//                                │  every effect passes here: told to the checker, then done
//                                └▶ SimPartition: what clients talk to

import {
  type Member, memberName, type PartitionPlacement, type PartitionRecord, Replica, type ReplicaHost,
  type ReplicaMessage, type ReplicaReport, type ReplicaRole, type StoredPromise, type TableReplica,
} from '@sluice/broker/simulation'
import { BATCH_POSITION } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import { shadowOf } from './log-shadow.js'
import { HostedPartition } from './hosted-partition.js'
import { PlainPartition } from './plain-partition.js'
import type { SimPartition } from './sim-partition.js'
import type { SimProcess } from './sim-process.js'
import type { SimWorld } from './sim-world.js'

export class SimReplica implements ReplicaHost, TableReplica {
  readonly topicId: string
  readonly index: number
  readonly self: Member
  readonly incarnation: string
  readonly replica: Replica
  readonly partition: SimPartition
  placement: PartitionPlacement
  private readonly store: string
  private readonly process: SimProcess
  private readonly world: SimWorld
  /** Of each log: the high watermark that the checker knows. */
  private readonly highWatermarks: number[]
  /** Of each log: its end when the checker last looked. */
  private readonly observedEnds: number[]
  private closed = false

  constructor (
    process: SimProcess, placement: PartitionPlacement, logs: readonly PartitionLog[], stored: StoredPromise | null,
  ) {
    this.process = process
    this.world = process.world
    this.self = process.member
    this.store = memberName(this.self)
    this.incarnation = process.incarnation
    this.placement = placement
    this.topicId = placement.topic.topicId
    this.index = placement.partition
    const { mutant, checker } = this.world
    this.replica = new Replica({
      host: this,
      logs,
      stored: mutant.forgetsPromises ? null : stored,
      bootId: process.bootId,
      rules: mutant.rules,
    })
    this.highWatermarks = this.replica.logs.map(log => log.highWatermark)
    this.observedEnds = this.replica.logs.map(() => -1)
    for (const { index, log } of this.replica.logs) log.onStartOffsetChange = () => this.onStartOffset(index)
    this.configure()
    checker.onStart(this.store, this.index, this.replica.promised)
    this.partition = process.groups === null
      ? new PlainPartition(this.replica,
        { duplicatesWait: !mutant.acknowledgesDuplicatesEarly, isAsync: this.world.options.isAsync },
        log => checker.committed(this.index, log).batches)
      : new HostedPartition(this.replica, this.index, process.groups)
  }

  get label (): string { return `partition ${this.index}` }

  // What the table asks for.

  onPlacement (placement: PartitionPlacement): void {
    if (this.closed) return
    this.placement = placement
    this.replica.onRecord(placement.record)
  }

  onMessage (from: number, message: ReplicaMessage): void {
    if (!this.closed) this.replica.onMessage(from, message)
  }

  tick (): void {
    if (this.closed) return
    this.replica.tick()
    this.partition.tick(this.monotonicMs())
  }

  async removeBelowStart (): Promise<void> {
    for (const { log } of this.replica.logs) {
      if (this.replica.open || this.closed || log.state === 'failed') return
      const [first] = log.listSegments()
      if (first !== undefined && first.endOffset <= log.logStartOffset) await log.applyRetention()
    }
  }

  /** Removes what is too much, where this broker leads. */
  applyRetention (): void {
    if (!this.replica.open || this.closed) return
    for (const { log } of this.replica.logs) log.applyRetention().catch(() => {})
  }

  async close (): Promise<void> {
    this.closed = true
    await new Promise<void>((resolve, reject) => {
      this.replica.close(error => error === null ? resolve() : reject(error))
    })
    this.process.onClose(this)
  }

  /** The process has died. */
  onDeath (isPowerCut: boolean): void {
    for (const { index, log } of this.replica.logs) {
      const isLost = isPowerCut && log.config.flush !== 'sync'
      const shadow = this.world.checker.shadow(this.store, this.index, index)
      shadow.deadOffset = isLost ? Number.MAX_SAFE_INTEGER : log.acknowledgedOffset
    }
  }

  // What the replica asks for.

  monotonicMs (): number { return this.process.monotonicMs() }
  wallMs (): number { return this.process.wallMs() }
  endOfTurn (run: () => void): void { this.process.endOfTurn(run) }

  send (brokerId: number, message: ReplicaMessage): void {
    if (!this.process.isAlive) return
    const { kind, epoch } = message
    if (kind === 'promise' || kind === 'durable-ack' || kind === 'fetch' || kind === 'fetched' || kind === 'pulled') {
      this.world.checker.onAnswer(this.store, this.index, epoch, kind)
    }
    if (kind === 'fetched') {
      for (const part of message.parts) if (part.kind !== 'records') this.log(`fetched ${part.kind}`, String(part.offset))
    }
    this.world.network.send(this.self.brokerId, brokerId, this.index, message)
  }

  savePromise (promise: StoredPromise, done: (error: Error | null) => void): void {
    const { checker, queue, mutant } = this.world
    const saved = (error: Error | null): void => this.process.run(() => {
      checker.onPromise(this.store, this.index, promise.promised)
      this.log('promised', `e${promise.promised}`)
      done(error)
      this.world.onMoment(this.process.broker, 'promise')
    })
    if (mutant.forgetsPromises) queue.after(1, () => saved(null))
    else this.process.promises.save(this.topicId, this.index, promise, saved)
  }

  activate ({ epoch }: PartitionRecord): void {
    this.process.placements.activate(this.topicId, this.index, epoch).then(record => {
      if (record !== null && !this.closed) this.replica.onRecord(record)
    }, () => {})
  }

  onRole (role: ReplicaRole, epoch: number): void {
    this.configure()
    const { checker } = this.world
    this.log(`role ${role}`, `e${epoch}`)
    if (role !== 'lead') this.partition.onRole()
    if (role === 'recover') checker.onLead(this.index, epoch, this.incarnation)
    if (role === 'lead') checker.onRecovered(this.index, this.replica.record!)
  }

  onOpen (epoch: number): void {
    this.configure()
    for (const { index, startOffset } of this.replica.logs) {
      this.observeLog(index)
      this.world.checker.onOpen(this.store, this.index, index, startOffset, epoch)
    }
    this.log('open', `e${epoch}`)
    this.partition.onOpen(epoch, () => this.process.isAlive)
    this.world.onMoment(this.process.broker, 'activation')
  }

  onQuorum (hasQuorum: boolean): void {
    this.log('quorum', String(hasQuorum))
    this.partition.onQuorum(hasQuorum)
  }

  removableOffset (_log: number, offset: number): number { return offset }

  onHighWatermark (log: number, offset: number): void {
    const { replica } = this
    // What lies below the start of the log came and went elsewhere.
    const before = Math.max(this.highWatermarks[log]!, Math.min(offset, replica.logs[log]!.startOffset))
    this.highWatermarks[log] = offset
    this.observeLog(log)
    const set = replica.roleName === 'lead' ? replica.leading!.record.replicas.map(memberName) : null
    this.world.checker.onHighWatermark(this.store, this.index, log, before, offset, set, replica.epoch)
    if (set !== null) this.log('commit', `${log} ${offset}`)
    this.partition.onHighWatermark(log, offset)
    if (set !== null) this.world.onMoment(this.process.broker, 'commit')
  }

  onLogAdvance (log: number): void { this.partition.onLogAdvance(log) }

  onTruncate (log: number, offset: number): void {
    this.observedEnds[log] = -1
    this.log('truncate', `${log} ${offset}`)
    this.partition.onTruncate(log, offset)
    const isMending = !this.replica.trusted
    this.world.checker.onTruncate(this.store, this.index, log, offset, this.highWatermarks[log]!, isMending)
  }

  report (kind: ReplicaReport, message: string): void {
    this.log(`report ${kind}`, message)
  }

  /** Only the leader decides what is old. */
  private configure (): void {
    // The first role comes while the replica is being made.
    const replica = this.replica as Replica | undefined
    for (const { log } of replica?.logs ?? []) {
      const retentionBytes = replica!.open ? this.world.options.retentionBytes : -1
      log.configure({ ...log.config, retentionBytes })
    }
  }

  private onStartOffset (index: number): void {
    const { startOffset } = this.replica.logs[index]!
    this.log('log-start', `${index} ${startOffset}`)
    this.world.checker.onStartOffset(this.store, this.index, index, startOffset)
    this.partition.onStartOffsetChange(index)
  }

  // Looking on.

  /** Tells the checker of every batch that is new. @returns how many logs have grown. */
  observe (): number {
    let grown = 0
    for (let log = 0; log < this.observedEnds.length; log++) if (this.observeLog(log)) grown++
    return grown
  }

  private observeLog (index: number): boolean {
    const { checker } = this.world
    const { log } = this.replica.logs[index]!
    if (this.observedEnds[index] === log.nextOffset) return false
    this.observedEnds[index] = log.nextOffset
    const shadow = checker.shadow(this.store, this.index, index)
    if (shadow.endOffset >= log.nextOffset) return false
    const from = Math.max(shadow.endOffset, log.logStartOffset)
    const slice = log.readCached(from, Number.MAX_SAFE_INTEGER, log.nextOffset)
    if (slice === null) return false
    for (const bytes of slice.buffers) {
      for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at + BATCH_POSITION.size)) {
        checker.onAppend(this.store, this.index, index, shadowOf(bytes, at))
        this.world.groupChecker?.onAppend(this.index, index, bytes, at)
      }
    }
    return true
  }

  private log (kind: string, detail: string): void {
    this.process.log(kind, `${this.index} ${detail}`)
  }
}
