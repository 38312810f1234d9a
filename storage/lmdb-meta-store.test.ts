import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { LmdbMetaStore, type LmdbMetaStoreOptions } from './lmdb-meta-store.js'
import { MetaStoreCorruptError, MetaStoreFailedError } from './meta-store-errors.js'
import { testMetaStoreContract } from './meta-store-contract.js'

const key = (text: string): Buffer => Buffer.from(text)
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function folder (t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-meta-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

function done (store: LmdbMetaStore, table: string, name: Buffer, value: Buffer, durable = false): Promise<void> {
  return new Promise((resolve, reject) => {
    store.write([{ table, key: name, value }], { durable, done: error => error === null ? resolve() : reject(error) })
  })
}

testMetaStoreContract(t, async (t) => {
  const directory = path.join(folder(t), 'meta')
  const options: LmdbMetaStoreOptions = { commitDelayMs: 1, mapBytes: 1024 * 1024 }
  let store = await LmdbMetaStore.open(directory, options)
  t.teardown(() => store.close())
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await LmdbMetaStore.open(directory, options)
      return store
    },
  }
})

t.test('LmdbMetaStore: a store is open once in a process', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory)
  await t.rejects(LmdbMetaStore.open(`${directory}/../${path.basename(directory)}`), /open in this process already/)
  await done(store, 'a', key('1'), key('v'))
  await store.close()
  const again = await LmdbMetaStore.open(directory)
  t.same(again.get('a', key('1')), key('v'))
  await again.close()
})

t.test('LmdbMetaStore: the map grows by itself, also in the middle of many writes', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory, { mapBytes: 256 * 1024, commitDelayMs: 0 })
  const value = Buffer.alloc(3000, 1)
  const writes: Array<Promise<void>> = []
  for (let i = 0; i < 2000; i++) {
    writes.push(done(store, 'a', number(i), value))
    if (i % 100 === 0) {
      await new Promise(resolve => setImmediate(resolve))
      t.equal(store.range('a').length, i + 1, 'reads go on meanwhile')
    }
  }
  await Promise.all(writes)
  await store.close()
  const again = await LmdbMetaStore.open(directory, { mapBytes: 256 * 1024 })
  t.equal(again.range('a').length, 2000)
  await again.close()
})

t.test('LmdbMetaStore: space is used again (reads pin no old pages)', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory, { commitDelayMs: 0 })
  for (let round = 0; round < 60; round++) {
    const writes: Array<Promise<void>> = []
    for (let i = 0; i < 50; i++) writes.push(done(store, 'a', number(i), Buffer.alloc(3000, round)))
    t.equal(store.range('a').length, 50)
    await Promise.all(writes)
  }
  await store.close()
  t.ok(fs.statSync(path.join(directory, 'data.mdb')).size < 2 * 1024 * 1024, '9 MB were written to 150 KB of data')
})

t.test('LmdbMetaStore: a full disk makes writes wait, visible meanwhile (injected)', async (t) => {
  const directory = folder(t)
  let message: string | null = null
  const tries: string[] = []
  const store = await LmdbMetaStore.open(directory, {
    commitDelayMs: 0,
    retryDelayMs: 1,
    failCommit: () => {
      if (message !== null) tries.push(message)
      return message
    },
  })
  message = 'No space left on device'
  const waiting = done(store, 'a', key('1'), key('v'), true)
  let settled = false
  waiting.then(() => { settled = true }, () => { settled = true })
  while (tries.length < 3) await new Promise(resolve => setTimeout(resolve, 1))
  t.notOk(settled)
  t.same(store.get('a', key('1')), key('v'))
  t.match(store.trouble, /No space left/)
  t.ok(store.pendingBytes > 0)
  message = null
  await waiting
  t.equal(store.trouble, null)
  t.equal(store.pendingBytes, 0)
  await store.close()
})

t.test('LmdbMetaStore: a full disk makes writes wait, visible meanwhile (a real one)', async (t) => {
  const directory = folder(t)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  if (mounted.status !== 0) {
    t.plan(0, 'needs the right to mount a small tmpfs')
    return
  }
  t.teardown(() => spawnSync('umount', ['-l', directory]))
  const filler = path.join(directory, 'filler')
  fs.writeFileSync(filler, Buffer.alloc(600_000))
  const store = await LmdbMetaStore.open(path.join(directory, 'meta'), { commitDelayMs: 0, retryDelayMs: 5 })
  const values = Array.from({ length: 30 }, (_, i) => Buffer.alloc(20_000, i))
  const writes = values.map((value, i) => done(store, 'a', number(i), value, true))
  while (store.trouble === null) await new Promise(resolve => setTimeout(resolve, 1))
  t.same(store.range('a').map(entry => entry.value), values, 'all of them are seen')
  fs.rmSync(filler)
  await Promise.all(writes)
  await store.close()
  const again = await LmdbMetaStore.open(path.join(directory, 'meta'))
  t.same(again.range('a').map(entry => entry.value), values, 'and kept')
  await again.close()
})

t.test('LmdbMetaStore: close does not wait for space, and says what it could not keep', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory, {
    commitDelayMs: 0, retryDelayMs: 3_600_000, failCommit: () => 'No space left on device',
  })
  const waiting = done(store, 'a', key('1'), key('v'))
  while (store.trouble === null) await new Promise(resolve => setTimeout(resolve, 1))
  await Promise.all([t.rejects(waiting, MetaStoreFailedError), t.rejects(store.close(), MetaStoreFailedError)])
  const again = await LmdbMetaStore.open(directory)
  t.equal(again.get('a', key('1')), null)
  await again.close()
})

t.test('LmdbMetaStore: told that the end is near, writes that wait for space fail, later ones too', async (t) => {
  const store = await LmdbMetaStore.open(folder(t), {
    commitDelayMs: 0, retryDelayMs: 3_600_000, failCommit: () => 'Read-only file system',
  })
  const waiting = done(store, 'a', key('1'), key('v'))
  while (store.trouble === null) await new Promise(resolve => setTimeout(resolve, 1))
  const failed = t.rejects(waiting, MetaStoreFailedError)
  store.stopWaiting()
  await failed
  await t.rejects(store.flush(), MetaStoreFailedError)
  await t.rejects(store.close(), MetaStoreFailedError)
})

t.test('LmdbMetaStore: an error of the disk is final for writes, reads go on (injected)', async (t) => {
  const directory = folder(t)
  let message: string | null = null
  const store = await LmdbMetaStore.open(directory, { commitDelayMs: 0, failCommit: () => message })
  await done(store, 'a', key('1'), key('v'))
  message = 'Input/output error'
  await t.rejects(done(store, 'a', key('2'), key('v')), MetaStoreFailedError)
  message = null
  await t.rejects(done(store, 'a', key('3'), key('v')), MetaStoreFailedError)
  await t.rejects(store.flush(), MetaStoreFailedError)
  t.same(store.get('a', key('1')), key('v'))
  t.equal(store.get('a', key('3')), null)
  await t.rejects(store.close(), MetaStoreFailedError)
})

t.test('LmdbMetaStore: garbage, foreign and cut-off files are refused, never mapped', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory, { commitDelayMs: 0 })
  for (let i = 0; i < 3000; i++) store.write([{ table: 'a', key: number(i), value: Buffer.alloc(i % 300, i) }])
  store.write([{ table: 'b', key: key('long'), value: Buffer.alloc(50_000) }])
  await store.close()
  const file = path.join(directory, 'data.mdb')
  const good = fs.readFileSync(file)
  const otherFormat = Buffer.from(good)
  otherFormat.writeUInt32LE(2, 20)
  const cases: Array<[string, Buffer]> = [
    ['text', Buffer.from('hello '.repeat(5000))],
    ['zeros', Buffer.alloc(16384)],
    ['one byte', Buffer.alloc(1)],
    ['the first meta page only', good.subarray(0, 4096)],
    ['two meta pages only', good.subarray(0, 8192)],
    ['cut in half', good.subarray(0, good.length / 2)],
    ['another data format', otherFormat],
  ]
  for (const [name, contents] of cases) {
    fs.writeFileSync(file, contents)
    await t.rejects(LmdbMetaStore.open(directory), MetaStoreCorruptError, name)
  }
  fs.writeFileSync(file, good)
  const again = await LmdbMetaStore.open(directory)
  t.equal(again.range('a').length, 3000)
  await again.close()
  fs.writeFileSync(file, '')
  const empty = await LmdbMetaStore.open(directory)
  t.same(empty.range('a'), [], 'an empty file is a new store')
  await empty.close()
})

t.test('LmdbMetaStore: a damaged file is refused or read without a crash (any bit, any page)', async (t) => {
  const directory = folder(t)
  const store = await LmdbMetaStore.open(directory, { commitDelayMs: 0 })
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 800; i++) store.write([{ table: 'a', key: number(i * 7 % 800), value: Buffer.alloc(i % 200, round) }])
    store.write([{ table: 'b', key: number(round), value: Buffer.alloc(10_000) }])
    await store.flush()
  }
  await store.deleteRange('a', { from: number(100), to: number(300) })
  await store.close()
  const file = path.join(directory, 'data.mdb')
  const good = fs.readFileSync(file)
  const pages = good.length / 4096
  // Most damage is aimed at headers, where structure is; the rest anywhere.
  const position = fc.oneof(
    fc.tuple(fc.integer({ min: 0, max: pages - 1 }), fc.integer({ min: 0, max: 199 }))
      .map(([page, at]) => page * 4096 + at),
    fc.integer({ min: 0, max: good.length - 1 }))
  let refused = 0
  await fc.assert(fc.asyncProperty(position, fc.integer({ min: 0, max: 7 }), async (at, bit) => {
    const damaged = Buffer.from(good)
    damaged[at]! ^= 1 << bit
    fs.writeFileSync(file, damaged)
    let damagedStore: LmdbMetaStore
    try {
      damagedStore = await LmdbMetaStore.open(directory, { commitDelayMs: 0 })
    } catch (error) {
      if (!(error instanceof MetaStoreCorruptError)) throw error
      refused++
      return
    }
    damagedStore.range('a')
    damagedStore.range('b', { reverse: true })
    for (let i = 0; i < 50; i++) damagedStore.write([{ table: 'a', key: number(i * 16), value: Buffer.alloc(500) }])
    await damagedStore.close().catch((error: unknown) => { if (!(error instanceof MetaStoreFailedError)) throw error })
  }), { numRuns: 400, seed: 3 })
  t.ok(refused > 5, 'some of it is found before it is mapped; the rest hit free pages and values')
})

t.test('LmdbMetaStore: kill -9 at any moment keeps what was reported, whole writes, in order', async (t) => {
  const directory = path.join(folder(t), 'meta')
  const program = new URL('lmdb-meta-store.child.js', import.meta.url)
  let random = 12345
  let last = -1
  for (let round = 0; round < 12; round++) {
    const child = fork(program, [directory, String(last + 1)], { execArgv: [] })
    const reported = { committed: -1, durable: -1 }
    child.on('message', (message: { committed: number, durable: number }) => Object.assign(reported, message))
    await once(child, 'message')
    random = (random * 1103515245 + 12345) % 2 ** 31
    await new Promise(resolve => setTimeout(resolve, random % 120))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const store = await LmdbMetaStore.open(directory)
    const names = store.range('first').map(entry => entry.key.readUInt32BE(0))
    const present = names.at(-1) ?? -1
    t.same(names, Array.from({ length: present + 1 }, (_, i) => i), 'writes are there up to one, without a gap')
    t.same(store.range('second').map(entry => entry.key.readUInt32BE(0)), names, 'each write is there in both tables')
    t.ok(present >= reported.committed && present >= reported.durable, 'what was reported is there')
    t.ok(present >= last, 'nothing goes back')
    last = present
    await store.close()
  }
  t.ok(last > 100, 'the child got somewhere')
})
