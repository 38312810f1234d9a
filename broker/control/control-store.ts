// The seam to the cluster's metadata: a small linearizable key-value store with compare-and-swap and watches.
//
// A single broker uses LmdbControlStore; a cluster will use etcd. Keys are '/'-separated text, values JSON.
//
// - Every change has a revision, one higher than the change before it, over all keys.
// - `commit` is one transaction: all comparisons hold and all changes are made, or nothing is. It resolves after the
//   change is durable.
// - Watches are hints: an event may come late or, in a cluster, get lost; who relies on the contents lists again.

/** A value with the revision of its last change. */
export interface ControlEntry { key: string, value: unknown, revision: number }

/** One change; `value: null` deletes the key. */
export interface ControlChange { key: string, value: unknown }

/** A condition: the key was last changed at `revision`; 0: there is no such key. */
export interface ControlCompare { key: string, revision: number }

export interface ControlStore {
  get (key: string): Promise<ControlEntry | null>
  /** All entries whose key begins with `prefix`, by key. */
  list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }>
  /** @returns the revision of the changes, or null where a comparison did not hold. */
  commit (changes: readonly ControlChange[], compares?: readonly ControlCompare[]): Promise<number | null>
  /** Tells of each change below `prefix` from now on; returns the function that ends it. */
  watch (prefix: string, onChange: (entry: ControlEntry) => void): () => void
  close (): Promise<void>
}
