// The seam to the key-value store of a data folder: indexes, checkpoints, snapshots and, on a single broker, the
// control store. LmdbMetaStore is the real one, MemoryMetaStore the one for tests and the simulator.
//
// It holds nothing that could not be rebuilt from the logs, but for the control store's tables; and it is never in the
// path of an acknowledgement.
//
// - Keys are Buffers of 1 to 480 bytes, ordered byte by byte. Values are Buffers, possibly empty. A table is a name.
// - Reads are synchronous and see every write whose `write` call has returned, committed or not.
// - `write` queues; commits happen off the event loop, many writes to a commit, in the order of the calls. One call is
//   atomic: after a crash all of its operations are there or none.

/** One change; `value: null` deletes the key. */
export interface MetaWrite { table: string, key: Buffer, value: Buffer | null }

/** Keys from `from` (inclusive) to `to` (exclusive); `reverse` walks down from `to`. A missing bound is open. */
export interface MetaRange { from?: Buffer, to?: Buffer, reverse?: boolean, limit?: number }

export interface MetaEntry { key: Buffer, value: Buffer }

export interface MetaStore {
  /** The value, or null. The Buffer is the caller's to keep. */
  get (table: string, key: Buffer): Buffer | null
  /** Entries in key order (or reverse). The whole result is read at once: use `limit` on large ranges. */
  range (table: string, range?: MetaRange): MetaEntry[]
  /**
   * Queues changes, atomically together. `done` runs after the commit, durable where `durable` is set: without it the
   * commit survives kill -9 at once and a power cut only after the next durable one.
   */
  write (changes: readonly MetaWrite[], options?: { durable?: boolean, done?: (error: Error | null) => void }): void
  /** Deletes a whole range, in as many commits as it needs. */
  deleteRange (table: string, range: MetaRange): Promise<void>
  /** Resolves when everything queued so far is durable. */
  flush (): Promise<void>
  /** Flushes, then closes. */
  close (): Promise<void>
}

/** Bytes of the longest key. */
export const META_KEY_BYTES_MAX = 480

/** Throws a RangeError for a key that is empty or longer than META_KEY_BYTES_MAX: a bug of the caller. */
export function assertMetaKey (key: Buffer): void {
  if (key.length === 0 || key.length > META_KEY_BYTES_MAX) {
    throw new RangeError(`A meta key has 1 to ${META_KEY_BYTES_MAX} bytes, not ${key.length}.`)
  }
}

/** Copies of changes for a store to keep: the caller may use its buffers again as soon as `write` has returned. */
export function ownedChanges (changes: readonly MetaWrite[]): MetaWrite[] {
  return changes.map(({ table, key, value }) => {
    assertMetaKey(key)
    return { table, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) }
  })
}
