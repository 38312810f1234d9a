// One log of a partition of which several brokers hold copies, as its leader has it, for one leadership.

import assert from 'node:assert'
import { ERROR } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'
import { storageRefusal, type LedLog, type LogRefusal } from '../log/led-log.js'
import type { Replica } from '../replica/replica.js'
import type { ReplicatedLog } from '../replica/replicated-log.js'

const NOTHING = (): void => {}

export class ReplicaLog implements LedLog {
  readonly log: PartitionLog
  readonly isReplicated = true
  onAdvance = NOTHING
  onStateChange = NOTHING
  onQuorumLost = NOTHING
  onStartOffsetChange = NOTHING
  private readonly replica: Replica
  private readonly replicated: ReplicatedLog
  private readonly epoch: number

  /** @param epoch that the replica leads now: appends are refused once it is over. */
  constructor (replica: Replica, index: number, epoch: number) {
    this.replica = replica
    this.replicated = replica.logs[index]!
    this.log = this.replicated.log
    this.epoch = epoch
  }

  get highWatermark (): number { return this.replicated.highWatermark }

  get settledOffset (): number { return Math.min(this.replicated.highWatermark, this.log.durableOffset) }

  get hasQuorum (): boolean {
    const { leading } = this.replica
    return leading !== null && leading.epoch === this.epoch && leading.open && leading.hasQuorum()
  }

  hasRoom (bytes: number): boolean {
    return this.hasQuorum && !this.replicated.busy && this.log.hasRoom(bytes)
  }

  refusalOf (bytes: number, label: string): LogRefusal | null {
    const { leading } = this.replica
    if (leading === null || leading.epoch !== this.epoch) return deposed(label)
    if (!this.hasQuorum) {
      return {
        error: ERROR.NOT_ENOUGH_REPLICAS,
        message: `${label} takes no records: a majority of its ${leading.record.replicas.length} replicas cannot be reached; retry with back-off`,
      }
    }
    return storageRefusal(this.log, bytes, label)
  }

  confirm (label: string, done: (refusal: LogRefusal | null) => void): void {
    if (this.replica.leading?.epoch !== this.epoch) return done(deposed(label))
    this.replica.confirmLeadership(isLeader => done(isLeader ? null : deposed(label)))
  }

  append (batch: Buffer): number {
    const result = this.replica.append(this.replicated.index, batch)
    assert(result.ok, 'append to a log that takes none: ask hasRoom first')
    return result.baseOffset
  }
}

function deposed (label: string): LogRefusal {
  return { error: ERROR.NOT_LEADER, message: `this broker does not lead ${label} any more; refresh the metadata` }
}
