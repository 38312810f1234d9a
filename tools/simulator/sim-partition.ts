// A partition on one broker, as far as the simulation needs it around the replica.

import type { Replica } from '@sluice/broker/simulation'

export type ProduceAnswer =
  | { readonly ok: true, readonly baseOffset: number, readonly duplicates: ReadonlySet<number>, readonly epoch: number }
  | { readonly ok: false, readonly reason: string, readonly leader: number }

export type Answered = (answer: ProduceAnswer) => void

export const NO_DUPLICATES: ReadonlySet<number> = new Set()

export interface SimPartition {
  readonly replica: Replica
  produce (log: number, batch: Buffer, answered: Answered): void
  // What the replica says to its host.
  onOpen (epoch: number, isCurrent: () => boolean): void
  onRole (): void
  onQuorum (hasQuorum: boolean): void
  onHighWatermark (log: number, offset: number): void
  onLogAdvance (log: number): void
  onTruncate (log: number, offset: number): void
  onStartOffsetChange (log: number): void
  tick (nowMs: number): void
}
