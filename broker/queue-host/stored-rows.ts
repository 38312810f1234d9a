// Walks over rows of the meta store in key order, a page at a time, to find the first that counts. Rows that do not
// count never do again before `reset`.

import { readInt64 } from '@sluice/protocol'
import type { MetaStore } from '@sluice/storage'
import { keyAfter, offsetOfKey, rowsOf } from './queue-keys.js'

export interface StoredRow {
  readonly offset: number
  /** Where the key has a due time before the offset; otherwise 0. */
  readonly dueMs: number
}

const ROWS_PER_PAGE = 256

export class StoredRows {
  private readonly meta: MetaStore
  private readonly table: string
  private readonly prefix: Buffer
  private page: StoredRow[] = []
  private position = 0
  private nextKey: Buffer | null

  constructor (meta: MetaStore, table: string, prefix: Buffer) {
    this.meta = meta
    this.table = table
    this.prefix = prefix
    this.nextKey = prefix
  }

  /** The first row that counts, by key. */
  first (counts: (row: StoredRow) => boolean): StoredRow | undefined {
    for (;;) {
      const row = this.page[this.position]
      if (row === undefined) {
        if (!this.turnPage()) return undefined
      } else if (counts(row)) return row
      else this.position++
    }
  }

  /** The rows have changed. */
  reset (): void {
    this.page = []
    this.position = 0
    this.nextKey = this.prefix
  }

  private turnPage (): boolean {
    if (this.nextKey === null) return false
    const { to } = rowsOf(this.prefix)
    const rows = this.meta.range(this.table, { from: this.nextKey, to, limit: ROWS_PER_PAGE })
    this.nextKey = rows.length < ROWS_PER_PAGE ? null : keyAfter(rows.at(-1)!.key)
    const hasDue = rows.length > 0 && rows[0]!.key.length >= this.prefix.length + 16
    this.page = rows.map(({ key }) => ({
      offset: offsetOfKey(key), dueMs: hasDue ? readInt64(key, key.length - 16) : 0,
    }))
    this.position = 0
    return rows.length > 0
  }
}
