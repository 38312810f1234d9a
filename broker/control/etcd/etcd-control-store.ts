// The control store of a cluster: the keys below one prefix of an etcd.
//
//   key '/topics/a' of cluster 'main'  ↔  '/sluice/main/topics/a'          value: JSON, as UTF-8
//
// What it promises is said in control-store.ts; how, in etcd-connection.ts (deadlines, members), etcd-watch.ts and
// etcd-lease.ts. It keeps nothing: who needs what is in it often keeps a copy of their own, by `watch` and `list`.

import assert from 'node:assert'
import {
  checkCommit, ControlStoreError, type ControlChange, type ControlCompare, type ControlEntry, type ControlLease,
  type ControlStore,
} from '../control-store.js'
import { EtcdConnection, isCompacted, type EtcdConnectionOptions } from './etcd-connection.js'
import { EtcdLease } from './etcd-lease.js'
import {
  CALLS, COMPARE_EQUAL, COMPARE_MOD_REVISION, type KeyValue, type RangeRequest, type RequestOp,
} from './etcd-schema.js'
import { EtcdWatch } from './etcd-watch.js'

export interface EtcdControlStoreOptions extends EtcdConnectionOptions {
  /** Name of the cluster: the keys of several may share an etcd. */
  readonly cluster: string
  /** How long to wait for an etcd that does not answer at the start. */
  readonly startTimeoutMs?: number
}

const ROOT = '/sluice/'
const LIST_AGAIN_MS = 30_000
const START_TIMEOUT_MS = 15_000
const START_RETRY_MS = 250
/** Entries of one request: what is read at once stays far below a deadline. */
const PAGE_ENTRIES = 1_000
const LIST_TRIES_MAX = 5

export class EtcdControlStore implements ControlStore {
  private readonly options: EtcdControlStoreOptions
  private readonly root: string
  private readonly connection: EtcdConnection
  private readonly watches = new Set<EtcdWatch>()
  private readonly leases = new Set<EtcdLease>()
  private readonly listTimer: NodeJS.Timeout

  private constructor (options: EtcdControlStoreOptions) {
    this.options = options
    this.root = ROOT + options.cluster
    this.connection = new EtcdConnection(options)
    this.listTimer = setInterval(() => {
      for (const watch of this.watches) watch.listAgain()
    }, LIST_AGAIN_MS)
  }

  /**
   * Connects, and waits some time for an etcd that is still starting.
   *
   * @throws ControlStoreError `unavailable` where it does not answer, `denied` where it refuses us.
   */
  static async open (options: EtcdControlStoreOptions): Promise<EtcdControlStore> {
    const store = new EtcdControlStore(options)
    const deadlineMs = options.clock.monotonicMs() + (options.startTimeoutMs ?? START_TIMEOUT_MS)
    try {
      for (;;) {
        try {
          await store.get('/')
          return store
        } catch (error) {
          const isLate = options.clock.monotonicMs() >= deadlineMs
          if (!(error instanceof ControlStoreError) || error.fault !== 'unavailable' || isLate) throw error
        }
        await new Promise(resolve => setTimeout(resolve, START_RETRY_MS))
      }
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async get (key: string): Promise<ControlEntry | null> {
    const { kvs } = await this.connection.read(CALLS.range, { key: this.pathOf(key) })
    return kvs.length === 0 ? null : this.entryOf(kvs[0]!)
  }

  async list (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.listAtOneRevision(prefix)
      } catch (error) {
        // So slow that what the first page has seen is not kept any more.
        if (!isCompacted(error) || tries === LIST_TRIES_MAX) throw error
      }
    }
  }

  async commit (changes: readonly ControlChange[], compares: readonly ControlCompare[] = []): Promise<number | null> {
    checkCommit(changes, compares)
    const { succeeded, header } = await this.connection.send(CALLS.txn, {
      compare: compares.map(({ key, revision }) => ({
        result: COMPARE_EQUAL, target: COMPARE_MOD_REVISION, key: this.pathOf(key), modRevision: String(revision),
      })),
      success: changes.map(change => this.operationOf(change)),
    })
    return succeeded ? Number(header.revision) : null
  }

  watch (prefix: string, onChange: (entry: ControlEntry) => void, onListAgain: () => void = () => {}): () => void {
    const key = this.pathOf(prefix)
    const watch = new EtcdWatch(this.connection, key, endOf(key), {
      onEvent: (kv, isDelete) => {
        const entry = this.entryOf(kv)
        onChange(isDelete ? { ...entry, value: null } : entry)
      },
      onListAgain,
    })
    this.watches.add(watch)
    return () => {
      watch.end()
      this.watches.delete(watch)
    }
  }

  async openLease (ttlMs: number, onLost: () => void = () => {}): Promise<ControlLease> {
    const { clock } = this.options
    const lease = await EtcdLease.open(this.connection, clock, ttlMs, onLost, ended => this.leases.delete(ended))
    this.leases.add(lease)
    return lease
  }

  async close (): Promise<void> {
    clearInterval(this.listTimer)
    for (const watch of this.watches) watch.end()
    this.watches.clear()
    for (const lease of [...this.leases]) lease.abandon()
    this.connection.close()
  }

  private async listAtOneRevision (prefix: string): Promise<{ entries: ControlEntry[], revision: number }> {
    const from = this.pathOf(prefix)
    const request: RangeRequest = { key: from, rangeEnd: endOf(from), limit: PAGE_ENTRIES }
    const entries: ControlEntry[] = []
    for (;;) {
      const { header, kvs, more } = await this.connection.read(CALLS.range, request)
      for (const kv of kvs) entries.push(this.entryOf(kv))
      request.revision ??= header.revision
      if (!more) return { entries, revision: Number(request.revision) }
      // The first key behind the last one.
      request.key = Buffer.concat([kvs.at(-1)!.key, Buffer.from([0])])
    }
  }

  private operationOf ({ key, value, lease }: ControlChange): RequestOp {
    const path = this.pathOf(key)
    if (value === null) return { requestDeleteRange: { key: path } }
    const bytes = Buffer.from(JSON.stringify(value))
    return { requestPut: lease === undefined ? { key: path, value: bytes } : { key: path, value: bytes, lease } }
  }

  private pathOf (key: string): Buffer {
    assert(key.startsWith('/'), `a key begins with a slash, not ${JSON.stringify(key)}`)
    return Buffer.from(this.root + key)
  }

  private entryOf ({ key, value, modRevision }: KeyValue): ControlEntry {
    return { key: key.toString().slice(this.root.length), value: parse(value), revision: Number(modRevision) }
  }
}

/** The first key behind all that begin with a prefix. */
function endOf (prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  // UTF-8 has no byte 0xff.
  end[end.length - 1]!++
  return end
}

/** Undefined for what is no JSON: somebody else has written there. */
function parse (value: Buffer): unknown {
  try {
    return JSON.parse(value.toString())
  } catch {
    return undefined
  }
}
