// A log as whoever leads its partition has it: the one seam between a partition and how its records are made safe.
//
//   StandaloneLog   the only copy: what is durable by the log's flush policy is committed
//   ReplicaLog      one of several copies: what a majority has durable is committed (replica-host)
//
// Reading goes to `log` in both. Appending goes through here, since a leader may have lost its followers.

import { ERROR } from '@sluice/protocol'
import type { PartitionLog } from '@sluice/storage'

/** Why nothing is taken: an error number and its text. */
export interface LogRefusal { readonly error: number, readonly message: string }

export interface LedLog {
  /** What is stored here, to be read. It may hold more than is committed. */
  readonly log: PartitionLog
  /** Everything below is committed: it may be shown to anybody, and never changes. */
  readonly highWatermark: number
  /** Everything below is committed and survives a power cut here: what is derived from it may be stored. */
  readonly settledOffset: number
  /** True where other brokers hold copies: then `highWatermark` and the log's own end of what is safe differ. */
  readonly isReplicated: boolean
  /** False while too few of the copies can be reached for anything to be committed. */
  readonly hasQuorum: boolean
  /** False while no batch of this size is taken. Ask again after `onAdvance`. */
  hasRoom (bytes: number): boolean
  /** Why a batch of this size is not taken now; null where it is. `label` names the log in the text. */
  refusalOf (bytes: number, label: string): LogRefusal | null
  /**
   * Calls back once it is certain that nobody newer leads, after this call; else with what speaks against it. May never
   * call back while there is no majority.
   */
  confirm (label: string, done: (refusal: LogRefusal | null) => void): void
  /** Appends a checked batch for which there is room: copies it, and answers its base offset. */
  append (batch: Buffer): number
  /** After the high watermark or the log's own end of what is safe has moved. */
  onAdvance: () => void
  /** `hasQuorum` is false now: who waits should look elsewhere. */
  onQuorumLost: () => void
  /** After the log's `state` has changed. */
  onStateChange: () => void
  /** After the log's start has moved. */
  onStartOffsetChange: () => void
}

/** Why a log takes no batch of this size, as far as its disk is concerned; null where it does. */
export function storageRefusal (log: PartitionLog, bytes: number, label: string): LogRefusal | null {
  if (log.hasRoom(bytes)) return null
  if (log.state !== 'online') return unavailable(log, label)
  return { error: ERROR.BUSY, message: `the disk does not keep up with what is sent to ${label}; retry with back-off` }
}

/** What to tell who waits for a log that is not online. */
export function unavailable (log: PartitionLog, label: string): LogRefusal {
  return log.state === 'failed'
    ? { error: ERROR.STORAGE_FAILED, message: `${label} takes no writes until the broker restarts: ${log.stateReason}` }
    : { error: ERROR.STORAGE_UNAVAILABLE, message: `${label} takes no writes for now: ${log.stateReason}` }
}
