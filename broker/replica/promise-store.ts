// Where replicas keep what they have promised: tables of the meta store, one row a partition, one for the store itself.
//
//   table `replica`         topicId (16 bytes) partition u32   → JSON of StoredPromise, and its CRC-32C
//   table `replica-store`   'id'                               → the store id
//
// The name of the store lies beside the promises, and nowhere else: a store that lost its promises has lost its name
// with them, takes a new one, and so counts as a member that nobody knows.

import { crc32c } from '@sluice/protocol'
import type { MetaStore } from '@sluice/storage'
import type { StoredPromise } from './replica-host.js'

const TABLE = 'replica'
const STORE_TABLE = 'replica-store'
const STORE_KEY = Buffer.from('id')

/** The tables that promises use: to be made when the meta store is opened. */
export const REPLICA_META_TABLES: readonly string[] = [TABLE, STORE_TABLE]

/** What a broker has promised for a partition: it answers nothing of an older epoch. */
export interface PromisedEpoch { readonly topicId: string, readonly partition: number, readonly epoch: number }

export class PromiseStore {
  private readonly meta: MetaStore

  constructor (meta: MetaStore) {
    this.meta = meta
  }

  /** The name of the store; `fresh` where it has none yet, told once that is durable. */
  openStore (fresh: string, done: (error: Error | null, storeId: string) => void): void {
    const known = this.meta.get(STORE_TABLE, STORE_KEY)
    if (known !== null) return done(null, known.toString())
    const change = { table: STORE_TABLE, key: STORE_KEY, value: Buffer.from(fresh) }
    this.meta.write([change], { durable: true, done: error => done(error, fresh) })
  }

  /** The epochs that were promised, of all partitions; damaged rows are left out, and told where they are loaded. */
  * promisedEpochs (): IterableIterator<PromisedEpoch> {
    for (const { key, value } of this.meta.range(TABLE)) {
      const promise = read(key, value)
      if (promise === null) continue
      const topicId = key.toString('latin1', 0, key.length - 5)
      yield { topicId, partition: key.readUInt32BE(key.length - 4), epoch: promise.promised }
    }
  }

  /** What was promised for a partition; null where nothing ever was. @throws where the row is damaged. */
  load (topicId: string, partition: number): StoredPromise | null {
    const key = rowKey(topicId, partition)
    const row = this.meta.get(TABLE, key)
    if (row === null) return null
    const promise = read(key, row)
    if (promise !== null) return promise
    throw new Error(`the promise of partition ${topicId}/${partition} is damaged: remove the store and let it start anew`)
  }

  /** Many calls share one commit; `done` runs when it is durable. */
  save (topicId: string, partition: number, promise: StoredPromise, done: (error: Error | null) => void): void {
    const key = rowKey(topicId, partition)
    const text = Buffer.from(JSON.stringify(promise))
    const value = Buffer.alloc(text.length + 4)
    value.set(text)
    value.writeUInt32BE(crc32c(text, crc32c(key)), text.length)
    this.meta.write([{ table: TABLE, key, value }], { durable: true, done })
  }

  /** Forgets a partition whose replica was deleted here: see `mayDelete`. */
  forget (topicId: string, partition: number, done: (error: Error | null) => void): void {
    this.meta.write([{ table: TABLE, key: rowKey(topicId, partition), value: null }], { durable: true, done })
  }
}

/** Null where the row is damaged. */
function read (key: Buffer, row: Buffer): StoredPromise | null {
  const end = row.length - 4
  if (end < 0 || crc32c(row.subarray(0, end), crc32c(key)) !== row.readUInt32BE(end)) return null
  return JSON.parse(row.toString('utf8', 0, end)) as StoredPromise
}

function rowKey (topicId: string, partition: number): Buffer {
  const key = Buffer.alloc(topicId.length + 5)
  key.write(topicId, 0, 'latin1')
  key.writeUInt32BE(partition, topicId.length + 1)
  return key
}
