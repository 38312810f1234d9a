// What the replicas of a partition say to each other.
//
//   candidate                member               leader                   follower
//      ├─ new-epoch ──────────▶                     ├─ begin-epoch ─────────▶    heartbeat too
//      ◀───────── promise ────┤                     ◀─────────────── fetch ──┤   one under way; the leader may hold it
//      ├─ pull ───────────────▶                     ├─ fetched ─────────────▶    records, or where the logs part
//      ◀────────── pulled ────┤                     ◀───────── durable-ack ──┤   after the sync
//      ◀────────── fenced ────┤  (any of them, where the epoch is below what was promised)
//
// Each carries the epoch it belongs to. A message may be lost, late, doubled or out of order: what it says holds for
// the moment it names (an offset, a last epoch), and who receives it checks that this is still so.
//
// A partition has several logs: `logs`, `positions` and `parts` have one item for each, in the same order everywhere.

/** The end of a log: what two logs are compared by, epoch first. */
export interface LogEnd { readonly lastEpoch: number, readonly endOffset: number }

/** Where an epoch begins. */
export interface EpochStart { readonly epoch: number, readonly startOffset: number }

/** What a member has of one log. */
export interface LogClaim extends LogEnd {
  readonly startOffset: number
  /** `crc` of the last batch. */
  readonly lastCrc: number
  readonly epochs: readonly EpochStart[]
  /** The first offset that cannot be read; -1 where all can. Only what is below it is on offer. */
  readonly damagedFrom: number
  /** What the member has ever acknowledged, where it has lost some of it since; null where it has all. */
  readonly owed: LogEnd | null
}

/** How far a follower's log goes, and how much of it counts. */
export interface FetchPosition {
  readonly offset: number
  readonly lastEpoch: number
  /** True where the log holds nothing. */
  readonly empty: boolean
  /** Durable and known to be the same as the leader's; 0 while the leader has not confirmed that. */
  readonly durableOffset: number
}

/** The answer for one log; `offset` and `lastEpoch` are those of the fetch that it answers. */
export type FetchedPart =
  | {
    readonly kind: 'records'
    readonly offset: number
    readonly lastEpoch: number
    readonly buffers: readonly Buffer[]
    readonly highWatermark: number
    readonly startOffset: number
    readonly endOffset: number
    /** To be called, once at most, by who has sent the buffers: see LogSlice. */
    readonly release?: (() => void) | undefined
  }
  /** The leader knows nothing of the follower's end: at or below `epoch` its log ends at `endOffset`. */
  | {
    readonly kind: 'diverge'
    readonly offset: number
    readonly lastEpoch: number
    readonly epoch: number
    readonly endOffset: number
  }
  /** The leader's log begins above the follower's end, or has nothing in common with it. */
  | {
    readonly kind: 'restart'
    readonly offset: number
    readonly lastEpoch: number
    readonly startOffset: number
    /** Of the batch before `startOffset`. */
    readonly prevCrc: number
  }

export type ReplicaMessage =
  | { readonly kind: 'new-epoch', readonly epoch: number, readonly storeId: string }
  | {
    readonly kind: 'promise'
    readonly epoch: number
    readonly storeId: string
    /** False where the member may have lost what it acknowledged. */
    readonly trusted: boolean
    readonly logs: readonly LogClaim[]
  }
  | { readonly kind: 'fenced', readonly epoch: number }
  | { readonly kind: 'pull', readonly epoch: number, readonly log: number, readonly offset: number }
  | {
    readonly kind: 'pulled'
    readonly epoch: number
    readonly log: number
    readonly offset: number
    /** Null where they cannot be read. */
    readonly buffers: readonly Buffer[] | null
    /** As that of records that were fetched. */
    readonly release?: (() => void) | undefined
  }
  | { readonly kind: 'begin-epoch', readonly epoch: number, readonly storeId: string }
  | {
    readonly kind: 'fetch'
    readonly epoch: number
    readonly storeId: string
    /** Counts the fetches of a follower in an epoch. */
    readonly sequence: number
    readonly positions: readonly FetchPosition[]
    /** The highest `probe` of the leader that the follower has seen in this epoch. */
    readonly probe: number
  }
  | {
    readonly kind: 'fetched'
    readonly epoch: number
    /** Of the fetch that it answers: the next one follows when this has come, not when a copy of it comes too. */
    readonly sequence: number
    readonly parts: readonly FetchedPart[]
    readonly probe: number
  }
  | {
    readonly kind: 'durable-ack'
    readonly epoch: number
    readonly storeId: string
    readonly durableOffsets: readonly number[]
  }

export type ReplicaMessageKind = ReplicaMessage['kind']

/** Below zero where `a` is behind `b`. The log of the newer epoch is ahead, however short. */
export function compareLogEnds (a: LogEnd, b: LogEnd): number {
  return a.lastEpoch - b.lastEpoch || a.endOffset - b.endOffset
}
