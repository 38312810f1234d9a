// A partition as a broker has it: the product's own Leadership and Partition around a simulated replica. Clients of its
// groups speak to `GroupServer`.

import { Leadership, type Partition, ProducerTracker, type Replica } from '@sluice/broker/simulation'
import type { SimGroupHost } from './sim-group-host.js'
import type { Answered, SimPartition } from './sim-partition.js'

/** How often a follower takes in what is known of producers, in milliseconds. */
const TRACK_MS = 500

export class HostedPartition implements SimPartition {
  readonly replica: Replica
  readonly index: number
  readonly host: SimGroupHost
  private readonly leadership: Leadership
  private readonly tracker: ProducerTracker
  private trackAtMs = 0

  constructor (replica: Replica, index: number, host: SimGroupHost) {
    const { table, topic: { topicId }, logger } = host
    this.replica = replica
    this.index = index
    this.host = host
    this.tracker = new ProducerTracker(table, topicId, index, replica.logs[0]!.log)
    this.leadership = new Leadership({
      partitions: table,
      tracker: this.tracker,
      logger,
      label: () => `partition ${index}`,
      monotonicMs: () => host.monotonicMs(),
      onInstalled: () => {},
    })
  }

  /** What users talk to, while this broker leads and is ready. */
  get partition (): Partition | null { return this.leadership.partition }

  onOpen (epoch: number): void { this.leadership.open(this.replica, epoch, this.host.topic, this.index) }

  onRole (): void { this.leadership.end() }

  onQuorum (hasQuorum: boolean): void { this.leadership.onQuorum(hasQuorum) }

  onHighWatermark (log: number): void { this.leadership.onAdvance(log) }

  onLogAdvance (log: number): void { this.leadership.onAdvance(log) }

  onStartOffsetChange (log: number): void { this.leadership.onStartOffsetChange(log) }

  onTruncate (log: number, offset: number): void {
    this.host.table.forgetAbove(this.host.topic.topicId, this.index, log, offset)
    if (log === 0) this.tracker.onTruncate(offset)
  }

  tick (nowMs: number): void {
    this.leadership.tick(nowMs)
    if (this.leadership.isHeld || nowMs < this.trackAtMs) return
    this.trackAtMs = nowMs + TRACK_MS
    this.tracker.follow(this.replica.logs[0]!.readableOffset, nowMs)
  }

  /** As the API does: answered when the records are committed, and the duplicates among them are terminal. */
  produce (_log: number, batch: Buffer, answered: Answered): void {
    const { partition } = this
    const refuse = (reason: string): void => answered({ ok: false, reason, leader: this.leaderHint })
    if (partition === null) return refuse('not-leader')
    const outcome = partition.append(batch)
    if (!outcome.ok) return refuse(outcome.message)
    const { baseOffset, endOffset } = outcome
    const duplicates = new Set(outcome.duplicates.map(({ index }) => baseOffset + index))
    let waiting = duplicates.size > 0 ? 2 : 1
    let fault = ''
    const settle = (): void => {
      if (--waiting > 0) return
      if (fault !== '') refuse(fault)
      else answered({ ok: true, baseOffset, duplicates, epoch: partition.leaderEpoch })
    }
    if (duplicates.size > 0) {
      partition.queues!.dedup!.whenEnded(baseOffset, outcome.duplicates, isDurable => {
        if (!isDurable) fault = 'duplicates that nobody knows of'
        settle()
      })
    }
    partition.whenCommitted(endOffset, error => {
      if (error !== 0) fault = 'not-leader'
      settle()
    })
  }

  /** Id of the broker that leads, as far as is known here; -1 for nobody. */
  get leaderHint (): number { return this.replica.leader?.brokerId ?? -1 }
}
