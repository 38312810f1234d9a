// A partition with nothing around its replica but what a producer needs: what a client sends goes through the
// producers' sequences and is answered at the high watermark, or where replication is asynchronous once it is safe at
// the leader. Both of its logs take records.

import { AckQueue, ProducerState, type Replica } from '@sluice/broker/simulation'
import { BATCH_FLAG, ERROR, readBatchHeader } from '@sluice/protocol'
import type { ShadowBatch } from './log-shadow.js'
import { type Answered, NO_DUPLICATES, type ProduceAnswer, type SimPartition } from './sim-partition.js'

export class PlainPartition implements SimPartition {
  readonly replica: Replica
  /** True where the answer to a duplicate waits for the original: a mutant says no. */
  private readonly duplicatesWait: boolean
  private readonly isAsync: boolean
  /** What is committed in a log: a broker keeps what it knows of producers for longer than their batches. */
  private readonly committedIn: (log: number) => readonly ShadowBatch[]
  /** Of each log. */
  private producers: readonly ProducerState[] = []
  private acks: [AckQueue, AckQueue] = [new AckQueue(), new AckQueue()]
  private readyEpoch = 0

  constructor (
    replica: Replica, { duplicatesWait, isAsync }: { readonly duplicatesWait: boolean, readonly isAsync: boolean },
    committedIn: (log: number) => readonly ShadowBatch[],
  ) {
    this.replica = replica
    this.duplicatesWait = duplicatesWait
    this.isAsync = isAsync
    this.committedIn = committedIn
  }

  /** What the logs say of the producers is read before anything is taken. */
  onOpen (epoch: number, isCurrent: () => boolean): void {
    const producers = this.replica.logs.map(({ index, startOffset }) => this.producersBelow(index, startOffset))
    Promise.all(this.replica.logs.map(({ index, log }) => log.replay(log.logStartOffset, (batch) => {
      const header = readBatchHeader(batch)
      if ((header.flags & BATCH_FLAG.control) === 0) producers[index]!.apply(header, 0)
    }))).then(() => {
      if (!isCurrent() || this.replica.epoch !== epoch || !this.replica.open) return
      this.producers = producers
      this.readyEpoch = epoch
    }, () => {})
  }

  /** What is known of the producers of batches that are removed. */
  private producersBelow (index: number, offset: number): ProducerState {
    const producers = new ProducerState(1000, 5)
    for (const { baseOffset, endOffset, producerId, baseSequence } of this.committedIn(index)) {
      if (baseOffset >= offset) break
      const lastOffsetDelta = endOffset - baseOffset - 1
      producers.apply({ producerId, producerEpoch: 0, baseSequence, lastOffsetDelta, baseOffset }, 0)
    }
    return producers
  }

  onRole (): void {
    this.readyEpoch = 0
    for (const acks of this.acks) acks.failAll(ERROR.NOT_LEADER, '')
  }

  onLogAdvance (log: number): void {
    if (this.isAsync && this.replica.open) this.acks[log]?.completeUpTo(this.safeOffset(log))
  }

  onQuorum (): void {}

  onTruncate (): void {}

  onStartOffsetChange (): void {}

  tick (): void {}

  onHighWatermark (log: number): void {
    this.acks[log]?.completeUpTo(this.safeOffset(log))
  }

  /** What lies below is as safe as producers are promised. */
  private safeOffset (index: number): number {
    const { highWatermark, log } = this.replica.logs[index]!
    return this.isAsync ? Math.max(highWatermark, log.acknowledgedOffset) : highWatermark
  }

  produce (index: number, batch: Buffer, answered: Answered): void {
    const leader = this.replica.leader?.brokerId ?? -1
    if (!this.replica.open || this.readyEpoch !== this.replica.epoch) {
      return answered({ ok: false, reason: 'not-leader', leader })
    }
    const header = readBatchHeader(batch)
    const verdict = this.producers[index]!.check(header)
    if (verdict.kind === 'refuse') return answered({ ok: false, reason: `sequence ${verdict.error}`, leader })
    if (verdict.kind === 'duplicate') {
      if (!this.duplicatesWait) return answered(this.stored(verdict.baseOffset))
      return this.whenSafe(index, verdict.baseOffset, verdict.endOffset, answered)
    }
    const result = this.replica.append(index, batch)
    if (!result.ok) return answered({ ok: false, reason: result.reason, leader })
    header.baseOffset = result.baseOffset
    this.producers[index]!.apply(header, 0)
    this.whenSafe(index, result.baseOffset, result.endOffset, answered)
  }

  private stored (baseOffset: number): ProduceAnswer {
    return { ok: true, baseOffset, duplicates: NO_DUPLICATES, epoch: this.replica.epoch }
  }

  private whenSafe (index: number, baseOffset: number, endOffset: number, answered: Answered): void {
    if (endOffset <= this.safeOffset(index)) return answered(this.stored(baseOffset))
    this.acks[index]!.push(endOffset, error => answered(error === 0
      ? this.stored(baseOffset)
      : { ok: false, reason: 'not-leader', leader: -1 }))
  }
}
