// What a replica needs from its broker, and what it tells it. All calls return at once; what takes time comes back as
// an event or a callback.

import type { Member } from './member.js'
import type { PartitionRecord } from './partition-record.js'
import type { LogEnd, ReplicaMessage } from './replica-message.js'

/** What a replica has to remember through a crash, beside its logs. */
export interface StoredPromise {
  /** Nothing below this epoch is answered any more. */
  readonly promised: number
  /** False where the logs may have lost what was acknowledged; see `owed`. */
  readonly trusted: boolean
  /** What had been acknowledged when `trusted` was lost, of each log; empty where that is not known. */
  readonly owed: readonly LogEnd[]
  /**
   * Of each log: where a sync failed, so that what follows may be in the page cache only, for good. -1: nowhere. Empty
   * where no sync has failed.
   */
  readonly suspectFrom: readonly number[]
  /** The start of the operating system under which this was written; '' where the last stop was clean. */
  readonly bootId: string
}

export type ReplicaRole = 'idle' | 'follow' | 'recover' | 'lead'

export interface ReplicaHost {
  readonly self: Member
  /** Drawn at the start of the process. */
  readonly incarnation: string
  /** Milliseconds that never go back. */
  monotonicMs (): number
  wallMs (): number
  /** Runs something at the end of this turn of the event loop. */
  endOfTurn (run: () => void): void
  /** Sends to a broker; may lose it, deliver it late, twice or out of order, but never to a later process. */
  send (brokerId: number, message: ReplicaMessage): void
  /** Makes it durable; `done` runs then, later than the call. Writes are in order. */
  savePromise (promise: StoredPromise, done: (error: Error | null) => void): void
  /**
   * Asks the control store to note that the epoch is active; tried again by the replica until its record says so.
   *
   * @param cutOffset where the log goes on after a forced recovery; null where this epoch follows none.
   */
  activate (record: PartitionRecord, cutOffset: number | null): void
  onRole (role: ReplicaRole, epoch: number): void
  /** This broker leads, and its log holds everything that was committed: it may be written to. */
  onOpen (epoch: number): void
  /** A leader has lost touch with the majority, or found it again: meanwhile it takes no records. */
  onQuorum (hasQuorum: boolean): void
  /** Of each log: what is below is committed, and may be read. */
  onHighWatermark (log: number, offset: number): void
  /** The leader's log begins at `offset`: up to where, at most there, a follower may remove its own. Asked again. */
  removableOffset (log: number, offset: number): number
  /** More of a log is safe here by its flush policy, or the log takes more again. */
  onLogAdvance (log: number): void
  /** A log was cut: what was derived from it above `offset` is void. */
  onTruncate (log: number, offset: number): void
  /** For an operator: something that should not happen, or that waits for him. */
  report (kind: ReplicaReport, message: string): void
}

export type ReplicaReport =
  | 'damaged' // a log has lost something; it is fetched again from the leader
  | 'mended' // it has everything again
  | 'storage-failed' // the disk takes nothing any more; the leadership was given up
  | 'recovery-blocked' // nobody who answered has all that was acknowledged

/** How long things are waited for, in milliseconds. None of it matters to safety. */
export interface ReplicaTiming {
  /** A leader says so often that it leads, to who is silent, and answers a held fetch where more is committed. */
  readonly heartbeatMs: number
  /** A leader answers a fetch that it holds after so long, whatever there is to say. */
  readonly holdMs: number
  /** A candidate asks again after so long. */
  readonly recoveryRetryMs: number
  /** A candidate gives up a member that does not deliver for so long. */
  readonly pullTimeoutMs: number
  /** A follower asks again after so long. */
  readonly fetchTimeoutMs: number
  /** A leader that has not heard a majority for so long takes no records until it does. */
  readonly quorumTimeoutMs: number
  /** Most bytes of one answer. */
  readonly fetchBytes: number
}

export const REPLICA_TIMING_DEFAULT: ReplicaTiming = Object.freeze({
  heartbeatMs: 250,
  holdMs: 500,
  recoveryRetryMs: 80,
  pullTimeoutMs: 1_000,
  fetchTimeoutMs: 1_000,
  quorumTimeoutMs: 2_500,
  fetchBytes: 1024 * 1024,
})
