// The process that lmdb-meta-store.test.ts kills: it writes numbers on, each to two tables in one write, some of them
// durable, and tells its parent which were committed.

import { LmdbMetaStore } from './lmdb-meta-store.js'

const [, , directory, start] = process.argv
const store = await LmdbMetaStore.open(directory!, { commitDelayMs: 1, mapBytes: 256 * 1024 })
let committed = Number(start) - 1
let durable = committed
let next = Number(start)

process.send!({ committed, durable })
writeOn()

function writeOn (): void {
  for (let i = 0; i < 20; i++) write(next++)
  // Reports lag behind the writes, never ahead.
  process.send!({ committed, durable })
  if (store.pendingBytes < 200_000) setImmediate(writeOn)
  else store.flush().then(() => setImmediate(writeOn), fail)
}

function write (index: number): void {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(index)
  const value = Buffer.alloc(index % 500)
  store.write([{ table: 'first', key, value }, { table: 'second', key, value }], {
    durable: index % 50 === 0,
    done: (error) => {
      if (error !== null) fail(error)
      committed = index
      if (index % 50 === 0) durable = index
    },
  })
}

function fail (error: Error): never {
  console.error(error)
  process.exit(1)
}
