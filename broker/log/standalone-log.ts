// The only copy of a log: this broker leads it from its start to its end, and what its disk has is committed.

import type { PartitionLog } from '@sluice/storage'
import { storageRefusal, type LedLog, type LogRefusal } from './led-log.js'

const NOTHING = (): void => {}

export class StandaloneLog implements LedLog {
  readonly log: PartitionLog
  readonly isReplicated = false
  readonly hasQuorum = true
  onAdvance = NOTHING
  onStateChange = NOTHING
  onQuorumLost = NOTHING
  onStartOffsetChange = NOTHING
  private readonly epoch: number

  /** @param epoch of this broker's leadership; the log may be ahead of it where the control store was lost. */
  constructor (log: PartitionLog, epoch: number) {
    this.log = log
    this.epoch = epoch
    log.onAdvance = () => this.onAdvance()
    log.onStateChange = () => this.onStateChange()
    log.onStartOffsetChange = () => this.onStartOffsetChange()
  }

  get highWatermark (): number { return this.log.acknowledgedOffset }

  get settledOffset (): number { return this.log.durableOffset }

  hasRoom (bytes: number): boolean { return this.log.hasRoom(bytes) }

  refusalOf (bytes: number, label: string): LogRefusal | null { return storageRefusal(this.log, bytes, label) }

  confirm (_label: string, done: (refusal: LogRefusal | null) => void): void { done(null) }

  append (batch: Buffer): number {
    const { log } = this
    return log.append(batch, Math.max(this.epoch, log.lastEpoch), log.durableOffset)
  }
}
