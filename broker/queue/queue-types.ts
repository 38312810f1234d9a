// The words of a queue group and the seams through which it meets the rest of the broker.
//
// Everything a group needs from outside is one of the interfaces below; all of them return at once. What is not at
// hand (records that must be read from disk first) is said to be so, and the group is told when it has come.

/** How a queue picks what it hands out next. */
export const ORDER = {
  /** By offset, every record on its own. */
  none: 'none',
  /** Records of a key one after the other. */
  key: 'key',
  /** Keys take turns by weight. */
  fair: 'fair',
  /** High priorities first, with ageing. */
  priority: 'priority',
} as const
export type Order = typeof ORDER[keyof typeof ORDER]

/** The state of a record that is neither fresh nor settled. Part of the encoding. */
export const RECORD_STATE = {
  READY: 1,
  LEASED: 2,
  DELAYED: 3,
  /** Given up; its dead letter is not committed yet. */
  DEAD_LETTER_PENDING: 4,
  /** Terminal before the group examined it: remembered until the group comes by. */
  ENDED: 5,
} as const

/** The clock that a delay runs on. Part of the encoding. */
export const DELAY_CLOCK = {
  /** Queue time: a duration, whatever happens to the wall clock. */
  queue: 0,
  /** The wall clock: a date somebody has named. */
  wall: 1,
} as const
export type DelayClock = typeof DELAY_CLOCK[keyof typeof DELAY_CLOCK]

/** Why a record is terminal. Part of the encoding. */
export const END_CAUSE = {
  acknowledged: 1,
  cancelled: 2,
  expired: 3,
  dead: 4,
  archived: 5,
  purged: 6,
  /** Its dedup id was taken when it was sent. */
  duplicate: 7,
  /** Its bytes were damaged on disk when the group came by, so that nobody knows what it was. */
  damaged: 8,
} as const
export type EndCause = typeof END_CAUSE[keyof typeof END_CAUSE]
/** Size of a table indexed by `EndCause`. */
export const END_CAUSES = 9

/** Why an attempt failed, or why a record died. Part of the encoding. */
export const REASON = {
  nack: 1, timeout: 2, disconnect: 3, reject: 4, exhausted: 5, quarantine: 6, ttl: 7,
} as const
export type Reason = typeof REASON[keyof typeof REASON]

export const SETTLE_KIND = { ack: 1, nack: 2, release: 3, reject: 4, extend: 5, start: 6 } as const
export type SettleKind = typeof SETTLE_KIND[keyof typeof SETTLE_KIND]

/** The answer to one record of a settle request. */
export const SETTLE_ANSWER = {
  /** Done. */
  OK: 0,
  /** The lease had ended, but nobody else had the record since: accepted. */
  LATE_OK: 1,
  /** The record is terminal already, or this lease has been given back before: nothing changed. */
  ALREADY_SETTLED: 2,
  /** The lease is over and the record is, or will be, somebody else's: nothing changed. */
  STALE_LEASE: 3,
  /** No such record, or a handle that was never given out. */
  UNKNOWN: 4,
  /** An earlier record of the same key is not settled yet: settle that first. The lease is kept. */
  OUT_OF_ORDER: 5,
  /** Cannot be told or stored at the moment: try again. */
  BUSY: 6,
} as const
export type SettleAnswer = typeof SETTLE_ANSWER[keyof typeof SETTLE_ANSWER]

/** No lane: a record without a key on a queue that gives such records lanes of their own. */
export const NO_LANE = -1

/**
 * One instruction about records [offset, offset + count): leases given out in one go have consecutive sequences, so a
 * run of records is one item. Handle of record i: (offset + i, leaseEpoch, leaseSequence + i).
 */
export interface SettleItem {
  readonly kind: SettleKind
  readonly offset: number
  readonly count: number
  readonly leaseEpoch: number
  readonly leaseSequence: number
  /** nack: until the next attempt, -1 for the queue's back-off. extend: from now on. Milliseconds. */
  readonly delayMs?: number
  /** nack, reject: free text, kept with the attempt; cut at `reasonLengthMax` characters. */
  readonly reason?: string | undefined
}

/** Records handed out by one receive, column by column; `count` rows. Valid until `deliver` returns. */
export interface Grants {
  readonly sessionId: number
  readonly leaseEpoch: number
  readonly count: number
  readonly offsets: Float64Array
  readonly leaseSequences: Float64Array
  /** How often each record has been handed out, this time included. */
  readonly deliveries: Uint16Array
  /** Bytes of all of them, as the feed has it. */
  readonly sizeBytes: number
}

export interface Attempt {
  readonly sessionId: number
  /** Queue time, milliseconds. */
  readonly startedMs: number
  readonly endedMs: number
  readonly reason: Reason
  readonly text: string
}

/**
 * A record to be appended to the dead-letter queue, exactly once: the append is idempotent by (partition, group,
 * offset), and is asked for again until `onDeadLetterAppended` says that it is committed.
 */
export interface DeadLetter {
  readonly offset: number
  readonly reason: Reason
  readonly text: string
  /** When the record was given up: queue time, milliseconds; the same however often the letter is asked for. */
  readonly diedMs: number
  readonly failures: number
  readonly deliveries: number
  /** The failed attempts, oldest first; at most `attemptsKept`. */
  readonly attempts: readonly Attempt[]
}

/** What a group makes happen. Everything returns at once and must not call back into the group. */
export interface QueueHost {
  /** There may be something to receive: let waiting receives try again. At most once a turn. */
  wake (): void
  /** Append a dead letter; say how it went by `onDeadLetterAppended` or `onDeadLetterFailed`. */
  appendDeadLetter (letter: DeadLetter): void
}

/** Facts about records, hoisted into their batches: what the group knows without reading a record. */
export interface RecordFacts {
  /** Rows in use. */
  count: number
  /** Everything below was looked at; offsets without a row hold no record. */
  endOffset: number
  /** Nothing up to `endOffset` can be read: it is damaged on disk, and has no rows. */
  isDamaged: boolean
  readonly capacity: number
  readonly offsets: Float64Array
  /** Key hash (order `key`, `fair`), a safe integer >= 0, or `NO_LANE`. Equal hashes only over-serialise. */
  readonly lanes: Float64Array
  /** Wall-clock milliseconds before which the record is not handed out; 0 for none. */
  readonly notBeforeMs: Float64Array
  /** Wall-clock milliseconds after which the record is of no use; 0 for never. */
  readonly expiresMs: Float64Array
  /** 0 (low) to 9 (high); order `priority` only. */
  readonly priorities: Uint8Array
  /** Bytes, for credits; an estimate will do. */
  readonly sizes: Uint32Array
}

/** Where the facts come from: the tail of the log in memory, or its segments on disk. */
export interface RecordFeed {
  /**
   * Fills `facts` with the records from `fromOffset` on, below `endOffset`, as many as there is room for or as are at
   * hand. False where none are at hand yet: they are being loaded, and `onFactsLoaded` follows.
   */
  read (fromOffset: number, endOffset: number, facts: RecordFacts): boolean
  /** About how many bytes a record has. Never waits. */
  sizeOf (offset: number): number
}

/**
 * Finds the records of a lane that the scan has passed. Fed by the group in offset order; what it lost over a restart
 * (everything from `indexedEnd` on) is fed again from the log.
 */
export interface LaneIndex {
  /** How many places a count or a search may have to look at. */
  readonly partCount: number
  /** Offset after the last record seen. */
  readonly indexedEnd: number
  add (lane: number, offset: number): void
  /** Everything below `offset` was fed. */
  advanceTo (offset: number): void
  /** Lowest offset of the lane above `after`, or -1. */
  nextOffsetOf (lane: number, after: number): number
  /** How many records of the lane lie in [fromOffset, endOffset). */
  countOf (lane: number, fromOffset: number, endOffset: number): number
  /** Nothing below `offset` is asked for any more. */
  trimBelow (offset: number): void
}

/**
 * Records delayed for long, on disk: by offset, and by due time per clock. It is part of the group's state: a
 * checkpoint stores its content and `snapshot()` in one transaction, and a restart begins with both.
 */
export interface DelayStore {
  readonly size: number
  /** So much waits to reach the disk that the group examines no more records for now; `wake` follows. */
  readonly isFull: boolean
  put (offset: number, clock: DelayClock, dueMs: number, record: Uint8Array): void
  get (offset: number): Uint8Array | null
  remove (offset: number): void
  /** Removes a record, and answers what was put; null where it is not there. */
  take (offset: number): Uint8Array | null
  /** Removes everything below `endOffset`. @returns how many records that were. */
  removeBelow (endOffset: number): number
  /** Lowest offset held, or Infinity. */
  minOffset (): number
  /** The lowest `max` offsets in [fromOffset, endOffset), ascending. Seldom asked for: for evacuating a segment. */
  offsetsIn (fromOffset: number, endOffset: number, max: number): number[]
  /** Earliest due time of a clock, or Infinity. */
  firstDueMs (clock: DelayClock): number
  /** The offset that is due first, or -1. */
  firstDueOffset (clock: DelayClock): number
}

/** Dedup ids beyond those kept in memory: an id is four 32-bit words of a strong hash. */
export interface DedupStore {
  put (id: DedupId, offset: number, expiresMs: number): void
  get (id: DedupId): { offset: number, expiresMs: number } | null
  remove (id: DedupId): void
  /** Drops what expires at or before `nowMs`, and what belongs to records below `floor`. */
  drop (nowMs: number, floor: number): void
}

/** A 128-bit hash of a dedup id: short enough to keep millions, long enough that two ids never meet. */
export type DedupId = readonly [number, number, number, number]

/** Uniform in [0, 1). */
export type Random = () => number

/** Bounds that are not settings of a queue. */
export const QUEUE_LIMITS = {
  /** Delays that end within this time are kept in memory, in milliseconds. */
  nearWindowMs: 60_000,
  /** With so many of them only what is due comes from the disk. */
  nearRecordsMax: 100_000,
  /** With so many records ready, what is due stays on disk, where records are handed out by offset. */
  readyRecordsMax: 200_000,
  /** Records that one call may look at before it lets others have their turn. */
  recordsPerScan: 10_000,
  /** Records that one tick wakes or times out. */
  recordsPerTick: 10_000,
  /** Records that one tick brings back from the delay store: each is read from the disk. */
  loadsPerTick: 2_000,
  /** Records in one settle request. */
  recordsPerSettle: 10_000,
  /** Settles and changes that wait while a leader begins. */
  requestsHeld: 1_000,
  /** Records that may be terminal before the group came by. */
  endedAheadMax: 20_000,
  /** Failed attempts remembered for a record; the first and the latest are kept. */
  attemptsKept: 16,
  /** Characters of the reason given for a nack or reject. */
  reasonLengthMax: 256,
  /** Dead letters on their way at once. */
  deadLettersInFlight: 100,
  /** A dead letter that failed is tried again after so long at first, and at most, in milliseconds. */
  deadLetterRetryMs: 100,
  deadLetterRetryMsMax: 30_000,
  /** A change of the difference between queue time and wall clock that is written down, in milliseconds. */
  skewToRecordMs: 1_000,
  /** Dedup ids in memory per partition; the oldest go to the store. */
  dedupIdsInMemory: 200_000,
} as const
