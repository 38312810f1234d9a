// What every Disk does, as tests: run on the real disk and on the one in memory.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Test } from 'tap'
import { DiskError, type Disk, type DiskFile } from './disk.js'

export function write (file: DiskFile, buffers: readonly Buffer[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(buffers, position, error => error === null ? resolve() : reject(error))
  })
}

export function sync (file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => file.sync(error => error === null ? resolve() : reject(error)))
}

/** What was read: as long as `size`, or shorter at the end of the file. */
export function read (file: DiskFile, position: number, size: number): Promise<Buffer> {
  const target = Buffer.alloc(size)
  return new Promise((resolve, reject) => {
    file.read(target, position, (error, count) => error === null ? resolve(target.subarray(0, count)) : reject(error))
  })
}

/** `make` answers a disk and a folder on it that is empty and the test's own. */
export function testDiskContract (t: Test, make: (t: Test) => Promise<{ disk: Disk, folder: string }>): void {
  testFiles(t, make)
  testHandles(t, make)
  testNames(t, make)
}

function testFiles (t: Test, make: (t: Test) => Promise<{ disk: Disk, folder: string }>): void {
  t.test('Disk: what was written is read back, at any position', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    t.equal(file.path, `${folder}/a`)
    await write(file, [Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')], 0)
    await write(file, [Buffer.from('W')], 6)
    t.equal(String(await read(file, 0, 100)), 'hello World', 'short at the end of the file')
    t.equal(String(await read(file, 6, 5)), 'World')
    t.equal((await read(file, 11, 10)).length, 0)
    t.equal((await read(file, 500, 10)).length, 0)
    t.equal((await read(file, 0, 0)).length, 0)
    t.equal(await file.size(), 11)
    await write(file, [Buffer.from('x')], 20)
    t.same(await read(file, 0, 100), Buffer.from('hello World\0\0\0\0\0\0\0\0\0x'), 'zeros where nothing was written')
    await file.close()
  })

  t.test('Disk: a write of nothing does nothing', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    await write(file, [], 10)
    await write(file, [Buffer.alloc(0)], 10)
    t.equal(await file.size(), 0)
    await file.close()
  })

  t.test('Disk: a write of many buffers is whole (more than one system call takes)', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    const buffers = Array.from({ length: 5000 }, (_, i) => Buffer.alloc(i % 7, i))
    await write(file, buffers, 3)
    t.ok((await read(file, 3, 100_000)).equals(Buffer.concat(buffers)))
    await file.close()
  })

  t.test('Disk: a file is cut and lengthened with zeros', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    await write(file, [Buffer.from('hello')], 0)
    await file.truncate(2)
    t.equal(String(await read(file, 0, 10)), 'he')
    await file.truncate(40_000)
    t.equal(await file.size(), 40_000)
    t.same(await read(file, 0, 40_000), Buffer.concat([Buffer.from('he'), Buffer.alloc(39_998)]))
    await file.close()
  })

  t.test('Disk: operations at the same time all happen (any order of writes apart from each other)', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    await fc.assert(fc.asyncProperty(fc.uniqueArray(fc.nat(40), { maxLength: 20 }), async (places) => {
      await file.truncate(0)
      await file.truncate(41 * 100)
      await Promise.all([
        ...places.map(place => write(file, [Buffer.alloc(60, place + 1), Buffer.alloc(40, place + 1)], place * 100)),
        sync(file),
      ])
      const expected = Buffer.alloc(41 * 100)
      for (const place of places) expected.fill(place + 1, place * 100, place * 100 + 100)
      assert.deepEqual(await read(file, 0, 41 * 100), expected)
    }), { numRuns: 20, seed: 5 })
    await file.close()
  })

  t.test('Disk: callbacks never run before the call has returned', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    const check = (start: (done: () => void) => void): Promise<void> => new Promise((resolve) => {
      let returned = false
      start(() => {
        t.ok(returned)
        resolve()
      })
      returned = true
    })
    await check(done => file.write([Buffer.from('x')], 0, done))
    await check(done => file.write([], 0, done))
    await check(done => file.sync(done))
    await check(done => file.read(Buffer.alloc(1), 0, done))
    await check(done => file.read(Buffer.alloc(0), 0, done))
    await file.close()
    await check(done => file.write([Buffer.from('x')], 0, done))
    await check(done => file.sync(done))
    await check(done => file.read(Buffer.alloc(1), 0, done))
  })
}

function testHandles (t: Test, make: (t: Test) => Promise<{ disk: Disk, folder: string }>): void {
  t.test('Disk: open makes a file, or not, as told', async (t) => {
    const { disk, folder } = await make(t)
    await t.rejects(disk.open(`${folder}/a`, { create: 'never' }), { code: 'ENOENT', operation: 'open' })
    await (await disk.open(`${folder}/a`, { create: 'ifMissing' })).close()
    await t.rejects(disk.open(`${folder}/a`, { create: 'new' }), { code: 'EEXIST' })
    const file = await disk.open(`${folder}/a`, { create: 'ifMissing' })
    await write(file, [Buffer.from('kept')], 0)
    await file.close()
    const again = await disk.open(`${folder}/a`, { create: 'never' })
    t.equal(String(await read(again, 0, 10)), 'kept', 'opening does not empty it')
    await again.close()
    await t.rejects(disk.open(`${folder}/missing/a`, { create: 'new' }), { code: 'ENOENT' })
    await t.rejects(disk.open(folder, { create: 'never' }), { code: 'EISDIR' })
    await t.rejects(disk.open(`${folder}/a/b`, { create: 'never' }), DiskError)
  })

  t.test('Disk: a file opened to be read cannot be written', async (t) => {
    const { disk, folder } = await make(t)
    await (await disk.open(`${folder}/a`, { create: 'new' })).close()
    const file = await disk.open(`${folder}/a`, { create: 'never', readOnly: true })
    await t.rejects(write(file, [Buffer.from('x')], 0), { code: 'EBADF', operation: 'write', path: `${folder}/a` })
    await t.rejects(file.truncate(0), DiskError)
    t.equal((await read(file, 0, 10)).length, 0)
    await file.close()
  })

  t.test('Disk: close waits for what is under way, and what comes later fails with EBADF', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    let written = false
    const writing = write(file, [Buffer.alloc(1_000_000, 1)], 0).then(() => { written = true })
    const closing = file.close().then(() => t.ok(written, 'the write is done first'))
    const late: Array<Promise<unknown>> = [
      write(file, [Buffer.from('x')], 0), sync(file), read(file, 0, 1), file.size(), file.truncate(0)
    ]
    await Promise.all(late.map(operation => t.rejects(async () => { await operation }, { code: 'EBADF' })))
    await Promise.all([writing, closing])
    await file.close()
    const again = await disk.open(`${folder}/a`, { create: 'never' })
    t.equal(await again.size(), 1_000_000)
    await again.close()
  })

  t.test('Disk: a handle stays good when its file is renamed or deleted', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    await write(file, [Buffer.from('one')], 0)
    await disk.rename(`${folder}/a`, `${folder}/b`)
    await write(file, [Buffer.from('two')], 3)
    await disk.remove(`${folder}/b`)
    await (await disk.open(`${folder}/b`, { create: 'new' })).close()
    await write(file, [Buffer.from('three')], 6)
    await sync(file)
    t.equal(String(await read(file, 0, 100)), 'onetwothree')
    t.equal((await disk.stat(`${folder}/b`))!.size, 0)
    await file.close()
  })
}

function testNames (t: Test, make: (t: Test) => Promise<{ disk: Disk, folder: string }>): void {
  t.test('Disk: names are listed in order; what is missing is an empty list', async (t) => {
    const { disk, folder } = await make(t)
    for (const name of ['b', 'a', 'B', '00010', '0002', 'ä']) {
      await (await disk.open(`${folder}/${name}`, { create: 'new' })).close()
    }
    await disk.makeDirectory(`${folder}/c/d`)
    await disk.makeDirectory(`${folder}/c/d`)
    t.same(await disk.list(folder), ['00010', '0002', 'B', 'a', 'b', 'c', 'ä'])
    t.same(await disk.list(`${folder}/c`), ['d'])
    t.same(await disk.list(`${folder}/missing`), [])
    await t.rejects(disk.list(`${folder}/a`), { code: 'ENOTDIR' })
    await t.rejects(disk.makeDirectory(`${folder}/a`), { code: 'EEXIST' })
    await disk.syncDirectory(folder)
    await t.rejects(disk.syncDirectory(`${folder}/missing`), { code: 'ENOENT' })
  })

  t.test('Disk: stat tells size and kind, null where nothing is', async (t) => {
    const { disk, folder } = await make(t)
    const file = await disk.open(`${folder}/a`, { create: 'new' })
    await write(file, [Buffer.alloc(77)], 0)
    await file.close()
    t.match(await disk.stat(`${folder}/a`), { size: 77, isDirectory: false, modifiedMs: Number })
    t.match(await disk.stat(folder), { size: 0, isDirectory: true })
    t.equal(await disk.stat(`${folder}/b`), null)
    t.equal(await disk.stat(`${folder}/a/b`), null)
  })

  t.test('Disk: rename replaces a file, moves a directory with all in it, and says what is missing', async (t) => {
    const { disk, folder } = await make(t)
    for (const name of ['a', 'b']) {
      const file = await disk.open(`${folder}/${name}`, { create: 'new' })
      await write(file, [Buffer.from(name)], 0)
      await file.close()
    }
    await disk.rename(`${folder}/a`, `${folder}/b`)
    t.same(await disk.list(folder), ['b'])
    const file = await disk.open(`${folder}/b`, { create: 'never' })
    t.equal(String(await read(file, 0, 10)), 'a')
    await file.close()
    await disk.makeDirectory(`${folder}/old/deep`)
    await disk.rename(`${folder}/b`, `${folder}/old/deep/b`)
    await disk.rename(`${folder}/old`, `${folder}/new`)
    t.equal((await disk.stat(`${folder}/new/deep/b`))!.size, 1)
    t.equal(await disk.stat(`${folder}/old`), null)
    await t.rejects(disk.rename(`${folder}/missing`, `${folder}/x`), { code: 'ENOENT', path: `${folder}/missing` })
    await t.rejects(disk.rename(`${folder}/new`, `${folder}/missing/x`), { code: 'ENOENT' })
  })

  t.test('Disk: what is deleted is gone; what is missing needs no deletion', async (t) => {
    const { disk, folder } = await make(t)
    await disk.makeDirectory(`${folder}/d/e/f`)
    await (await disk.open(`${folder}/d/e/a`, { create: 'new' })).close()
    await disk.remove(`${folder}/d/e/a`)
    await disk.remove(`${folder}/d/e/a`)
    await t.rejects(disk.remove(`${folder}/d`), DiskError, 'a directory is not deleted as a file')
    await (await disk.open(`${folder}/d/e/a`, { create: 'new' })).close()
    await t.rejects(disk.removeDirectory(`${folder}/d/e/a`), { code: 'ENOTDIR' })
    await disk.removeDirectory(`${folder}/d`)
    await disk.removeDirectory(`${folder}/d`)
    t.same(await disk.list(folder), [])
  })

  t.test('Disk: space is told for a path that is there and for one that is not yet', async (t) => {
    const { disk, folder } = await make(t)
    for (const path of [folder, `${folder}/not/yet`]) {
      const { freeBytes, totalBytes } = await disk.space(path)
      t.ok(freeBytes > 0 && freeBytes <= totalBytes)
    }
  })
}
