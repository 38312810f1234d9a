// What a replica has while it leads: its two logs as their leader has them, and the partition that users talk to.
//
//   open(epoch) ─▶ read what the logs say of producers, offsets, queues ─▶ Partition ─▶ installed ─▶ end: closed, all
//                     └ failed: tried again a while later                                       that wait are told
//
// Both are of one epoch. What comes back from reading after the epoch is over is closed unseen, so that nothing of an
// earlier leadership is left in a later one.

import { ERROR } from '@sluice/protocol'
import type { TopicRecord } from '../control/topic-record.js'
import type { Partition } from '../partition/partition.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { Replica } from '../replica/replica.js'
import type { Logger } from '../runtime/logger.js'
import type { ProducerTracker } from './producer-tracker.js'
import { ReplicaLog } from './replica-log.js'

/** After an opening that failed it is tried again, in milliseconds. */
const REOPEN_MS = 1_000

export interface LeadershipOptions {
  /** The partitions that this broker leads. */
  readonly partitions: PartitionTable
  /** What is known of producers by whoever has followed until now. */
  readonly tracker: ProducerTracker
  readonly logger: Logger
  /** For messages: which partition this is. */
  readonly label: () => string
  readonly monotonicMs: () => number
  /** The partition is ready for users. */
  readonly onInstalled: () => void
}

export class Leadership {
  /** What users talk to, while this broker leads and is ready. */
  partition: Partition | null = null
  private readonly options: LeadershipOptions
  /** Of this leadership; empty while there is none. */
  private led: readonly ReplicaLog[] = []
  private reopenAtMs = Infinity
  private reopen = (): void => {}

  constructor (options: LeadershipOptions) {
    this.options = options
  }

  /** True from `open` to `end`. */
  get isHeld (): boolean { return this.led.length > 0 }

  /** `replica` leads `epoch` and holds all that was committed before. */
  open (replica: Replica, epoch: number, topic: TopicRecord, index: number): void {
    const { partitions, tracker, logger, label, monotonicMs, onInstalled } = this.options
    const led = this.led = replica.logs.map(({ index }) => new ReplicaLog(replica, index, epoch))
    const isOver = (): boolean => this.led !== led
    const open = async (): Promise<Partition> =>
      await partitions.openLed(topic, index, epoch, led[0]!, led[1]!, await tracker.take())
    open().then(partition => {
      if (isOver()) return partitions.closeLed(partition, ERROR.NOT_LEADER, this.notLeading)
      this.partition = partition
      partitions.installLed(topic, partition)
      // What moved while it was being opened.
      for (const log of led) log.onAdvance()
      onInstalled()
    }, (cause: Error) => {
      if (isOver()) return
      logger.error({ partition: label(), err: cause }, 'a partition could not be opened by its leader; it is tried again')
      this.reopenAtMs = monotonicMs() + REOPEN_MS
      this.reopen = () => { if (!isOver()) this.open(replica, epoch, topic, index) }
    })
  }

  /** Another broker leads, or nobody: all that wait are told. */
  end (): void {
    const { partition } = this
    this.led = []
    this.reopenAtMs = Infinity
    this.partition = null
    if (partition !== null) this.options.partitions.closeLed(partition, ERROR.NOT_LEADER, this.notLeading)
  }

  tick (nowMs: number): void {
    if (nowMs < this.reopenAtMs) return
    this.reopenAtMs = Infinity
    this.reopen()
  }

  /** A majority can be reached again, or not any more. */
  onQuorum (hasQuorum: boolean): void {
    for (const log of this.led) {
      // What was held back meanwhile is written now.
      if (hasQuorum) log.onAdvance()
      else log.onQuorumLost()
    }
  }

  /** The high watermark of a log has moved, or its own end of what is safe. */
  onAdvance (log: number): void { this.led[log]?.onAdvance() }

  onStartOffsetChange (log: number): void { this.led[log]?.onStartOffsetChange() }

  private get notLeading (): string {
    return `this broker does not lead ${this.options.label()} any more; refresh the metadata`
  }
}
