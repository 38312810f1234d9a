import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { read, sync, testDiskContract, write } from './disk-contract.js'
import type { Disk, DiskFile } from './disk.js'
import { MemoryDisk, type PowerCutOptions } from './memory-disk.js'

testDiskContract(t, async () => {
  const disk = new MemoryDisk()
  await disk.makeDirectory('/test/folder')
  return { disk, folder: '/test/folder' }
})

/** A disk with the file `/a`, its name durable, and `durable` in it synced. */
async function diskWithFile (durable = ''): Promise<{ disk: MemoryDisk, file: DiskFile }> {
  const disk = new MemoryDisk()
  const file = await disk.open('/a', { create: 'new' })
  await write(file, [Buffer.from(durable)], 0)
  await sync(file)
  await disk.syncDirectory('/')
  return { disk, file }
}

const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false
  promise.then(() => { done = true }, () => { done = true })
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  return done
}

t.test('MemoryDisk: kill keeps what was written, ends handles, answers nobody', async (t) => {
  const { disk, file } = await diskWithFile('old')
  const attached = disk.attach()
  await write(file, [Buffer.from('new')], 3)
  file.write([Buffer.from('late')], 6, () => t.fail('the dead get no answer'))
  disk.kill({ inFlight: 'lost' })
  t.equal(String(disk.contents('/a')), 'oldnew')
  await t.rejects(read(file, 0, 1), { code: 'EBADF' })
  await t.rejects(attached.list('/'), { code: 'EBADF' })
  t.same(await disk.list('/'), ['a'], 'the disk itself goes on')
  t.equal(disk.openCount, 0)
})

t.test('MemoryDisk: what is in flight at a crash is done, lost, or by chance', async (t) => {
  for (const [inFlight, expected] of [['lost', 'old'], ['done', 'new']] as const) {
    const { disk, file } = await diskWithFile('old')
    file.write([Buffer.from('new')], 0, () => t.fail('no answer'))
    disk.kill({ inFlight })
    t.equal(String(disk.contents('/a')), expected)
  }
  const seen = new Set<string>()
  const disk = new MemoryDisk()
  for (let i = 0; i < 200; i++) {
    const file = await disk.open('/a', { create: 'ifMissing' })
    await write(file, [Buffer.from('___')], 0)
    file.write([Buffer.from('new')], 0, () => t.fail('no answer'))
    disk.kill()
    seen.add(String(disk.contents('/a')))
  }
  t.same([...seen].sort(), ['___', 'n__', 'ne_', 'new'].sort())
})

t.test('MemoryDisk: a power cut leaves synced bytes and exactly the part of the others it is told', async (t) => {
  const bytes = (count: number): PowerCutOptions => ({ keep: () => count, names: 'none' })
  for (let count = 0; count <= 9; count++) {
    const { disk, file } = await diskWithFile('sync')
    await write(file, [Buffer.from('1234')], 4)
    await write(file, [Buffer.from('5'), Buffer.from('6789')], 8)
    disk.powerCut(bytes(count))
    t.equal(String(disk.contents('/a')), 'sync' + '123456789'.slice(0, count))
  }
  const { disk, file } = await diskWithFile('sync')
  await file.truncate(1)
  await write(file, [Buffer.from('xyz')], 1)
  disk.powerCut(bytes(3))
  t.equal(String(disk.contents('/a')), 'sxy', 'a truncation counts as one byte')
})

t.test('MemoryDisk: sync covers what was answered when it was called, and no more', async (t) => {
  const { disk, file } = await diskWithFile('')
  await write(file, [Buffer.from('A')], 0)
  const inFlight = write(file, [Buffer.from('B')], 1)
  await Promise.all([sync(file), inFlight])
  t.equal(String(disk.contents('/a')), 'AB')
  t.equal(String(disk.durableContents('/a')), 'A')
  disk.powerCut({ keep: 'none' })
  t.equal(String(disk.contents('/a')), 'A')
})

t.test('MemoryDisk: what a power cut leaves of random writes is what some real disk could leave', async () => {
  const oneWrite = fc.record({ position: fc.nat(2000), size: fc.integer({ min: 1, max: 1500 }), synced: fc.boolean() })
  const writes = fc.array(oneWrite, { minLength: 1, maxLength: 6 })
  const keep = fc.constantFrom('none', 'all', 'prefix', 'subset', 'random' as const)
  const tear = fc.constantFrom('sector', 'byte', undefined)
  await fc.assert(fc.asyncProperty(writes, keep, tear, fc.integer(), async (writes, keep, tear, seed) => {
    let state = seed
    const disk = new MemoryDisk({ random: () => ((state = (state * 1103515245 + 12345) >>> 0) % 1000) / 1000 })
    const file = await disk.open('/a', { create: 'new' })
    await disk.syncDirectory('/')
    // Per byte, what it may be: the durable value, or that of any unsynced write over it.
    const allowed: Array<Set<number>> = []
    let durableSize = 0
    for (const [index, { position, size, synced }] of writes.entries()) {
      await write(file, [Buffer.alloc(size, index + 1)], position)
      for (let at = 0; at < position + size; at++) allowed[at] ??= new Set([0])
      for (let at = position; at < position + size; at++) allowed[at]!.add(index + 1)
      if (!synced) continue
      await sync(file)
      durableSize = disk.durableContents('/a').length
      const contents = disk.contents('/a')
      for (let at = 0; at < contents.length; at++) allowed[at] = new Set([contents[at]!])
    }
    const full = disk.contents('/a')
    disk.powerCut({ keep, tear, names: 'all' })
    const left = disk.contents('/a')
    assert.ok(left.length >= durableSize && left.length <= full.length)
    for (let at = 0; at < left.length; at++) assert.ok(allowed[at]!.has(left[at]!))
    if (keep === 'all') assert.deepEqual(left, full)
    if (keep === 'none') assert.equal(left.length, durableSize)
    assert.deepEqual(disk.durableContents('/a'), left)
  }), { numRuns: 150, seed: 6 })
})

t.test('MemoryDisk: a torn write is torn between sectors, or at any byte', async (t) => {
  const cuts = { sector: new Set<number>(), byte: new Set<number>() }
  for (const tear of ['sector', 'byte'] as const) {
    const disk = new MemoryDisk()
    for (let i = 0; i < 100; i++) {
      const file = await disk.open(`/${i}`, { create: 'new' })
      await disk.syncDirectory('/')
      await write(file, [Buffer.alloc(2000, 1)], 100)
      disk.powerCut({ keep: 'prefix', tear, inFlight: 'lost' })
      cuts[tear].add(disk.contents(`/${i}`).length)
    }
  }
  t.ok([...cuts.sector].every(size => size === 0 || size % 512 === 0))
  t.ok(cuts.sector.size > 2)
  t.ok([...cuts.byte].some(size => size % 512 !== 0))
})

t.test('MemoryDisk: a name is lost at a power cut unless its directory was synced', async (t) => {
  const disk = new MemoryDisk()
  await disk.makeDirectory('/d')
  await disk.syncDirectory('/')
  const file = await disk.open('/d/new', { create: 'new' })
  await write(file, [Buffer.from('x')], 0)
  await sync(file)
  const snapshot = disk.snapshot()
  disk.powerCut({ names: 'none' })
  t.same(await disk.list('/d'), [], 'syncing the file is not enough')
  disk.restore(snapshot)
  await disk.syncDirectory('/d')
  disk.powerCut({ names: 'none' })
  t.equal(String(disk.contents('/d/new')), 'x')
  await disk.remove('/d/new')
  disk.powerCut({ names: 'none' })
  t.equal(String(disk.contents('/d/new')), 'x', 'a deletion that was not synced comes back')
  await disk.rename('/d/new', '/d/other')
  disk.powerCut({ names: 'none' })
  t.same(disk.paths(), ['/d/new'])
})

t.test('MemoryDisk: a rename is whole at a power cut, and a file in one place', async (t) => {
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const disk = new MemoryDisk({ random: randomFrom(i) })
    await disk.makeDirectory('/d')
    for (const [name, contents] of [['/current', 'old'], ['/temp', 'new']] as const) {
      const file = await disk.open(name, { create: 'new' })
      await write(file, [Buffer.from(contents)], 0)
      await sync(file)
      if (name === '/current') await disk.syncDirectory('/')
    }
    await disk.rename('/temp', '/d/moved')
    await disk.rename('/d/moved', '/current')
    disk.powerCut()
    const current = disk.paths().includes('/current') ? String(disk.contents('/current')) : 'none'
    const places = disk.paths().filter(path => String(disk.contents(path)) === 'new')
    t.ok(current === 'old' || current === 'new')
    t.ok(places.length <= 1)
    seen.add(`${current} ${places.join()}`)
  }
  t.ok(seen.size >= 4, 'it stops at every step')
})

t.test('MemoryDisk: crashDuring stops before each step in turn', async (t) => {
  const scenario = async (disk: Disk): Promise<void> => {
    const file = await disk.open('/temp', { create: 'new' })
    await write(file, [Buffer.from('x')], 0)
    await sync(file)
    await file.close()
    await disk.rename('/temp', '/final')
    await disk.syncDirectory('/')
  }
  const left: string[] = []
  for (let step = 1; ; step++) {
    const disk = new MemoryDisk()
    const crashed = await disk.crashDuring(step, () => scenario(disk.attach()))
    disk.kill()
    left.push(disk.paths().map(path => `${path}=${disk.contents(path)}`).join())
    if (!crashed) break
  }
  t.same(left, ['', '/temp=', '/temp=x', '/temp=x', '/final=x', '/final=x'])
  const disk = new MemoryDisk()
  await t.rejects(disk.crashDuring(9, async () => { throw new Error('its own') }), /its own/)
  await disk.makeDirectory('/d/e')
  for (const name of ['a', 'b']) await (await disk.open(`/d/${name}`, { create: 'new' })).close()
  t.ok(await disk.crashDuring(2, () => disk.removeDirectory('/d')))
  disk.kill()
  t.same(disk.paths(), ['/d/b'], 'a directory is deleted step by step')
})

t.test('MemoryDisk: faults strike the operations meant, as often as told', async (t) => {
  const { disk, file } = await diskWithFile('old')
  disk.fail({ path: /a$/, operation: 'write', code: 'EIO', after: 1, times: 2, writtenBytes: 1 })
  await write(file, [Buffer.from('1')], 0)
  await t.rejects(write(file, [Buffer.from('23')], 1), { code: 'EIO', operation: 'write', path: '/a' })
  await t.rejects(write(file, [Buffer.from('3')], 2), { code: 'EIO' })
  t.equal(String(disk.contents('/a')), '123', 'the failing write was done in part')
  await write(file, [Buffer.from('4')], 3)
  const clear = disk.fail({ path: '/', operation: ['list', 'stat'], code: 'EACCES' })
  await t.rejects(disk.list('/'), { code: 'EACCES' })
  await t.rejects(disk.stat('/'), { code: 'EACCES' })
  clear()
  t.same(await disk.list('/'), ['a'])
  t.equal(disk.count('write'), 5, 'failed ones are counted, too')
})

t.test('MemoryDisk: a failed sync keeps, reverts or forgets what was dirty', async (t) => {
  const expected = { kept: ['new', 'new'], reverted: ['old', 'old'], forgotten: ['new', 'old'] } as const
  for (const dirty of ['kept', 'reverted', 'forgotten'] as const) {
    const { disk, file } = await diskWithFile('old')
    await write(file, [Buffer.from('new')], 0)
    disk.fail({ operation: 'sync', code: 'EIO', times: 1, dirty })
    await t.rejects(sync(file), { code: 'EIO', operation: 'sync' })
    t.equal(String(disk.contents('/a')), expected[dirty][0])
    await sync(file)
    disk.powerCut()
    t.equal(String(disk.contents('/a')), expected[dirty][1], `${dirty}: what a second sync is worth`)
  }
})

t.test('MemoryDisk: a full disk takes what fits, and more when there is space again', async (t) => {
  const { disk, file } = await diskWithFile('12345')
  disk.setCapacity(8)
  t.same(await disk.space('/'), { freeBytes: 3, totalBytes: 8 })
  await t.rejects(write(file, [Buffer.from('abcdef')], 4), { code: 'ENOSPC' })
  t.equal(String(disk.contents('/a')), '1234abcd')
  await write(file, [Buffer.from('X')], 0)
  await t.rejects(file.truncate(9), { code: 'ENOSPC' })
  const other = await disk.open('/b', { create: 'new' })
  await disk.remove('/a')
  await t.rejects(write(other, [Buffer.from('1')], 0), { code: 'ENOSPC' }, 'an open file keeps its space')
  await file.close()
  await write(other, [Buffer.from('1')], 0)
  await disk.rename('/b', '/c')
  t.same(await disk.space('/'), { freeBytes: 7, totalBytes: 8 })
})

t.test('MemoryDisk: a read-only disk and too many open files are refused', async (t) => {
  const { disk, file } = await diskWithFile('old')
  disk.setReadOnly(true)
  await t.rejects(write(file, [Buffer.from('x')], 0), { code: 'EROFS' })
  await t.rejects(disk.open('/b', { create: 'new' }), { code: 'EROFS' })
  await t.rejects(disk.makeDirectory('/d'), { code: 'EROFS' })
  await t.rejects(disk.remove('/a'), { code: 'EROFS' })
  t.equal(String(await read(file, 0, 3)), 'old')
  disk.setReadOnly(false)
  disk.setOpenLimit(2)
  const second = await disk.open('/b', { create: 'new' })
  await t.rejects(disk.open('/c', { create: 'new' }), { code: 'EMFILE' })
  t.same(disk.paths(), ['/a', '/b'])
  await second.close()
  await (await disk.open('/c', { create: 'new' })).close()
})

t.test('MemoryDisk: held operations wait, and go on in order', async (t) => {
  const { disk, file } = await diskWithFile('')
  const release = disk.hold({ operation: 'sync' })
  await write(file, [Buffer.from('x')], 0)
  const syncing = sync(file)
  t.notOk(await settled(syncing))
  t.equal(disk.pendingCount, 1)
  t.equal(String(disk.durableContents('/a')), '')
  release()
  await syncing
  t.equal(String(disk.durableContents('/a')), 'x')
})

t.test('MemoryDisk: the scheduler decides the order, and learns what is slow', async (t) => {
  const queue: Array<{ perform: () => void, delayMs: number }> = []
  const disk = new MemoryDisk({ schedule: (perform, { delayMs }) => queue.push({ perform, delayMs }) })
  disk.slow({ path: '/slow' }, 50)
  const order: string[] = []
  const opening = ['/slow', '/fast'].map(async (path) => {
    await disk.open(path, { create: 'new' })
    order.push(path)
  })
  t.same(queue.map(({ delayMs }) => delayMs), [50, 0])
  queue.sort((left, right) => left.delayMs - right.delayMs)
  for (const { perform } of queue) {
    perform()
    await new Promise(resolve => setImmediate(resolve))
  }
  await Promise.all(opening)
  t.same(order, ['/fast', '/slow'])
})

t.test('MemoryDisk: damage shows at once and survives a power cut', async (t) => {
  const { disk, file } = await diskWithFile('AAAA')
  await write(file, [Buffer.from('BBBB')], 4)
  disk.flipBit('/a', 1)
  disk.flipBit('/a', 5, 7)
  disk.corrupt('/a', 3, Buffer.from('xy'))
  const expected = Buffer.from([0x41, 0x40, 0x41, 0x78, 0x79, 0xC2, 0x42, 0x42])
  t.same(await read(file, 0, 10), expected)
  disk.powerCut({ keep: 'all' })
  t.same(disk.contents('/a'), expected)
  t.throws(() => disk.flipBit('/a', 8), RangeError)
})

t.test('MemoryDisk: a snapshot brings back contents and what was synced', async (t) => {
  const { disk, file } = await diskWithFile('old')
  await write(file, [Buffer.from('new')], 0)
  const snapshot = disk.snapshot()
  await write(file, [Buffer.from('xxxxxx')], 0)
  await disk.remove('/a')
  for (let round = 0; round < 2; round++) {
    disk.restore(snapshot)
    t.equal(String(disk.contents('/a')), 'new')
    t.equal(String(disk.durableContents('/a')), 'old')
    disk.powerCut({ keep: 'none' })
    t.equal(String(disk.contents('/a')), 'old')
  }
  await t.rejects(read(file, 0, 1), { code: 'EBADF' })
})

t.test('MemoryDisk: the same calls and random numbers leave the same disk', async (t) => {
  const run = async (): Promise<string[]> => {
    const disk = new MemoryDisk({ random: randomFrom(7) })
    for (let i = 0; i < 30; i++) {
      const file = await disk.open(`/${i % 5}`, { create: 'ifMissing' })
      await write(file, [Buffer.alloc(700 + i, i)], i * 100)
      if (i % 4 === 0) await sync(file)
      if (i % 3 === 0) await disk.syncDirectory('/')
      if (i % 6 === 5) disk.powerCut()
    }
    return disk.paths().map(path => path + disk.contents(path).toString('base64'))
  }
  t.same(await run(), await run())
})

function randomFrom (seed: number): () => number {
  let state = seed * 2654435761 >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

t.test('MemoryDisk: after a power cut what is written again is not durable before its sync (images share their chunks)', async t => {
  const disk = new MemoryDisk()
  const write = async (text: string, isSynced: boolean): Promise<void> => {
    const file = await disk.open('/file', { create: 'ifMissing' })
    await new Promise<void>((resolve, reject) => {
      file.write([Buffer.from(text)], 0, error => error === null ? resolve() : reject(error))
    })
    if (isSynced) {
      await new Promise<void>((resolve, reject) => { file.sync(error => error === null ? resolve() : reject(error)) })
      await disk.syncDirectory('/')
    }
  }
  await write('first', true)
  disk.powerCut()
  const snapshot = disk.snapshot()
  await write('other', false)
  t.equal(String(disk.contents('/file')), 'other')
  t.equal(String(disk.durableContents('/file')), 'first')
  disk.powerCut({ keep: 'none' })
  t.equal(String(disk.contents('/file')), 'first')
  await write('third', true)
  disk.restore(snapshot)
  t.equal(String(disk.contents('/file')), 'first', 'a snapshot keeps its own')
})
