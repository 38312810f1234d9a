// The words that the log and its users share: what a log is called, how it is set up, what it tells.

/** Names one log. It lives in `DIRECTORY/logs/<topicId>/<partition>/<kind>/`. */
export interface LogId {
  /** Letters, digits, '.', '_' and '-'; at most 128 of them. */
  readonly topicId: string
  /** 0 to 2^32 - 1. */
  readonly partition: number
  readonly kind: 'data' | 'state'
}

/**
 * When a batch counts as safe.
 *
 * - `sync`: after fdatasync. Survives a power cut.
 * - `interval`: after the write; synced every `flushIntervalMs`. A power cut may lose what came since, kill -9 nothing.
 * - `none`: after the write; the kernel syncs when it likes. A power cut may lose up to a segment, kill -9 nothing.
 */
export type FlushPolicy = 'sync' | 'interval' | 'none'

export interface LogConfig {
  /** A segment is closed before it would grow past this many bytes. */
  segmentBytes: number
  flush: FlushPolicy
  flushIntervalMs: number
  /** Segments whose last append is longer ago than this are removed; -1: never. */
  retentionMs: number
  /** Oldest segments are removed while the log is larger than this; -1: never. */
  retentionBytes: number
  cleanup: { delete: boolean, compact: boolean }
  /** How long a tombstone stays after the compaction that first met it. */
  tombstoneRetentionMs: number
  /** Segments appended to within this time are not compacted. */
  minCompactionLagMs: number
  /** One index entry for about this many bytes of log. */
  indexIntervalBytes: number
}

export const LOG_CONFIG_DEFAULT: Readonly<LogConfig> = Object.freeze({
  segmentBytes: 256 * 1024 * 1024,
  flush: 'sync' as const,
  flushIntervalMs: 1_000,
  retentionMs: -1,
  retentionBytes: -1,
  cleanup: Object.freeze({ delete: true, compact: false }),
  tombstoneRetentionMs: 24 * 3600 * 1000,
  minCompactionLagMs: 0,
  indexIntervalBytes: 64 * 1024,
})

/** Bounds that all logs of a data folder share. */
export interface LogStoreLimits {
  /** Bytes of recent batches kept in memory, over all logs. Unwritten ones are kept beyond it. */
  tailCacheBytes: number
  /** Open files, over all logs; a few more while more are in use at once. */
  openFiles: number
  /** A log refuses appends while more than this is in memory only. */
  unwrittenBytesPerLog: number
  /** Every log refuses appends while more than this is in memory only, over all logs. */
  unwrittenBytesTotal: number
  /** Most bytes of one write; a single larger batch goes alone. */
  commitBytes: number
  /** Writes and syncs of one log that may be under way at once. */
  commitsInFlight: number
  /** Bytes of zeros written ahead of the end of a log that takes many small commits; 0: none. */
  preallocateBytes: number
  /** The least and the longest wait before a write that found no space is tried again. */
  retryDelayMsMin: number
  retryDelayMsMax: number
  /** Memory for the keys of one round of a compaction. */
  compactionBytes: number
  /** The durable end of a busy log is noted in the meta store this often. */
  checkpointIntervalMs: number
}

export const LOG_STORE_LIMITS_DEFAULT: Readonly<LogStoreLimits> = Object.freeze({
  tailCacheBytes: 128 * 1024 * 1024,
  openFiles: 512,
  unwrittenBytesPerLog: 16 * 1024 * 1024,
  unwrittenBytesTotal: 128 * 1024 * 1024,
  commitBytes: 512 * 1024,
  commitsInFlight: 2,
  preallocateBytes: 4 * 1024 * 1024,
  retryDelayMsMin: 100,
  retryDelayMsMax: 5_000,
  compactionBytes: 64 * 1024 * 1024,
  checkpointIntervalMs: 1_000,
})

/** Offsets from `from` (inclusive) to `to` (exclusive). */
export interface OffsetRange { readonly from: number, readonly to: number }

/** The first offset of a leader epoch. */
export interface EpochStart { readonly epoch: number, readonly startOffset: number }

/** Whole batches, one after the other, ready to be sent as they are. The bytes must not be changed. */
export interface LogSlice {
  readonly buffers: readonly Buffer[]
  readonly sizeBytes: number
  /** Base offset of the first batch: at or below the offset asked for. The offset asked for where there is no batch. */
  readonly baseOffset: number
  /** Where to read on. */
  readonly nextOffset: number
  /**
   * To be called, once at most, when nobody looks at the buffers any more: their memory is then used for something
   * else. Left out where there are none; where it is not called the collector takes care of it.
   */
  readonly release?: () => void
}

/** Why a read gave nothing. */
export type LogReadError =
  /** The offset is not in the log: it was removed, or not appended yet. */
  | { readonly kind: 'out-of-range', readonly logStartOffset: number, readonly nextOffset: number }
  /** These offsets are damaged; reading may go on at `to`. */
  | { readonly kind: 'corrupt', readonly from: number, readonly to: number }
  /** The disk failed. */
  | { readonly kind: 'io', readonly code: string, readonly message: string }
  /** The log was cut below the offset while the read was under way, or the log was closed. */
  | { readonly kind: 'truncated' }

export type ReadDone = (error: LogReadError | null, slice: LogSlice | null) => void

/** The position in time of an offset. */
export interface OffsetAtTime { readonly offset: number, readonly timestampMs: number }

/**
 * - `online`: takes appends.
 * - `readOnly`: the disk takes no more for now; what was appended is kept in memory and tried again. Reads go on.
 * - `failed`: a write or sync failed in a way that leaves the disk's contents unknown. For good until a restart;
 *   what is durable can still be read.
 */
export type LogState = 'online' | 'readOnly' | 'failed'

/** What a log tells its owner, for the owner's own log of events. */
export interface LogEvent {
  readonly kind:
    | 'recovered' // scanned after an unclean stop; `from`: where the scan began, `to`: log end
    | 'cut' // bytes behind the last sound batch removed; `from`: log end
    | 'quarantined' // offsets found damaged or missing
    | 'setAside' // a file that does not belong was renamed; `file`: its new name
    | 'removed' // a left-over that can hold no data of its own was removed
    | 'readOnly'
    | 'online'
    | 'failed'
    | 'indexRebuilt'
    | 'metaFailed' // the meta store refused a write; the log goes on, its index will be rebuilt
    | 'lost' // closed while the disk took no writes: offsets that were appended but never written
  readonly id: LogId
  readonly message: string
  readonly from?: number
  readonly to?: number
  readonly file?: string
  readonly bytes?: number
}

/** Time as the log sees it. */
export interface LogClock {
  /** Unix time in milliseconds. */
  wallMs (): number
  /** Milliseconds since some moment; never goes back. */
  monotonicMs (): number
}

/** Runs something once, later; the answer cancels it. */
export type Delay = (delayMs: number, run: () => void) => () => void

/** What one round of retention removed. */
export interface RetentionResult {
  readonly segments: number
  readonly bytes: number
  readonly logStartOffset: number
}

/** One segment of a log, as its owner sees it. */
export interface LogSegment {
  readonly baseOffset: number
  /** Offset after its last batch. */
  readonly endOffset: number
  /** Of its batches. */
  readonly sizeBytes: number
  /** The broker's own time of the last append: Unix time in milliseconds. */
  readonly lastAppendMs: number
  /** Nothing is appended to it any more. */
  readonly sealed: boolean
}

/** What one round of compaction or evacuation did. */
export interface CompactionResult {
  /** Segments read and rewritten. */
  readonly segments: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly recordsRemoved: number
  /** False where the work was called off. */
  readonly complete: boolean
}
