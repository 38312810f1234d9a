// The seam to the cluster's metadata: a small linearizable key-value store with compare-and-swap, leases and watches.
//
// A single broker uses LmdbControlStore, a cluster EtcdControlStore. Keys are '/'-separated text, values JSON.
//
// - Every change has a revision, higher than that of every change before it, over all keys.
// - `get` and `list` are linearizable: they see every change that was answered before they were asked.
// - `commit` is one transaction: all comparisons hold and all changes are made, or nothing is. It resolves after the
//   change is durable.
// - Every call ends: it resolves, or rejects with a ControlStoreError, in the time that each member of the store has
//   for an answer: seconds, where none of them gives one.
// - A commit without an answer is `ambiguous`: made, not made, or yet to be made. Who cares reads again and looks for
//   what only it would have written (`swap` in swap.ts does that); to try again without a comparison may undo what came
//   after.
// - Watches are hints: an event may come late and, rarely, not at all; who relies on the contents lists again when told
//   to (`onListAgain`).
// - Keys may hang on a lease: they go when it ends. Leases tell who is alive; nothing that must be right may rest on
//   them, since an end may come late, and be noticed later.

/** A value with the revision of its last change. */
export interface ControlEntry { key: string, value: unknown, revision: number }

/** One change; `value: null` deletes the key. */
export interface ControlChange {
  key: string
  value: unknown
  /** The id of the lease that the key goes with; without it the key stays, also where an earlier value had one. */
  lease?: string
}

/** A condition: the key was last changed at `revision`; 0: there is no such key. */
export interface ControlCompare { key: string, revision: number }

/** Changes of one commit at most, and comparisons. */
export const COMMIT_CHANGES_MAX = 64

/**
 * What became of a call that failed:
 *
 * - `unavailable`: nobody answered, or nobody could. Nothing was changed; the same call may succeed later.
 * - `ambiguous`: a commit was sent and not answered. It was made, was not made, or will be made in a moment.
 * - `denied`: user, password or permissions are wrong. Nothing was changed.
 * - `leaseLost`: the lease that a change hangs on is no more. Nothing was changed.
 * - `invalid`: the call itself is wrong, such as two changes of one key. Nothing was changed.
 * - `closed`: `close` was called. A commit that was under way is as good as ambiguous.
 */
export type ControlFault = 'unavailable' | 'ambiguous' | 'denied' | 'leaseLost' | 'invalid' | 'closed'

export class ControlStoreError extends Error {
  readonly fault: ControlFault

  constructor (fault: ControlFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ControlStoreError'
    this.fault = fault
  }
}

/** A sign of life: the keys that hang on it go some time after its holder has stopped renewing it. */
export interface ControlLease {
  /** For `ControlChange.lease`. */
  readonly id: string
  /**
   * True while the lease cannot have ended, by the monotonic clock. False is no proof that it has: the store may only
   * be out of reach, and a renewal that gets through makes it true again.
   */
  valid (): boolean
  /** Ends the lease and deletes its keys; where the store is out of reach they go with time. Never rejects. */
  close (): Promise<void>
}

export interface ControlStore {
  get (key: string): Promise<ControlEntry | null>
  /** All entries whose key begins with `prefix`, by key, as they were together at `revision`. */
  list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }>
  /**
   * @param changes at most COMMIT_CHANGES_MAX, of different keys; as for `compares`.
   * @returns the revision of the changes, or null where a comparison did not hold.
   */
  commit (changes: readonly ControlChange[], compares?: readonly ControlCompare[]): Promise<number | null>
  /**
   * Tells of each change below `prefix` from now on, in the order of their revisions; an entry with value null was
   * deleted.
   *
   * @param onListAgain called when events may have been missed, and every half minute or so whatever happens: time to
   * list what is relied on.
   * @returns the function that ends it.
   */
  watch (prefix: string, onChange: (entry: ControlEntry) => void, onListAgain?: () => void): () => void
  /**
   * A lease that is renewed until it is closed, the process ends, or the store is gone for longer than `ttlMs`.
   *
   * @param ttlMs how long the store keeps it without a renewal; whole seconds, from 2 on, since etcd counts in them.
   * @param onLost called once, when it is known that the lease has ended without having been closed.
   */
  openLease (ttlMs: number, onLost?: () => void): Promise<ControlLease>
  /** Ends watches, renewals and calls under way. Leases that are still open end with time. */
  close (): Promise<void>
}

/** Throws where a commit could never be made: a bug of the caller, told the same by every store. */
export function checkCommit (changes: readonly ControlChange[], compares: readonly ControlCompare[]): void {
  if (changes.length > COMMIT_CHANGES_MAX || compares.length > COMMIT_CHANGES_MAX) {
    const count = Math.max(changes.length, compares.length)
    throw new ControlStoreError('invalid', `a commit takes ${COMMIT_CHANGES_MAX} changes and comparisons, not ${count}`)
  }
  const keys = new Set(changes.map(({ key }) => key))
  if (keys.size < changes.length) throw new ControlStoreError('invalid', 'a commit changes the same key twice')
}
