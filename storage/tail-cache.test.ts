import t from 'tap'
import { SMALL, TestMachine, makeBatch } from './log.fixture.js'
import { TailCache } from './tail-cache.js'

const MAX_BYTES = 8 * 16 * 1024

/** Fills slabs one after the other; returns the memory that each got. */
function fill (cache: TailCache, count: number, lend: boolean): Set<ArrayBufferLike> {
  const memory = new Set<ArrayBufferLike>()
  for (let index = 0; index < count; index++) {
    const slab = cache.slabFor(8 * 1024)
    slab.end += 8 * 1024
    if (lend) slab.readers++
    memory.add(slab.bytes!.buffer)
  }
  return memory
}

t.test('TailCache: memory that nobody looked at is used again', async t => {
  const cache = new TailCache(MAX_BYTES)
  t.ok(fill(cache, 200, false).size <= 12, 'about as many slabs as the bound holds')
  t.ok(cache.totalBytes <= MAX_BYTES)
})

t.test('TailCache: memory that readers have and do not give back is never used again', async t => {
  const cache = new TailCache(MAX_BYTES)
  t.equal(fill(cache, 200, true).size, 100, 'two to a slab, each slab anew')
  t.ok(cache.totalBytes <= MAX_BYTES)
})

t.test('TailCache: slices in the hands of slow readers keep their bytes whatever is appended after them', async t => {
  const machine = new TestMachine({ tailCacheBytes: MAX_BYTES })
  await machine.start()
  const log = await machine.open({ ...SMALL, segmentBytes: 1 << 30 })
  const held: { bytes: Buffer, copy: Buffer }[] = []
  for (let round = 0; round < 300; round++) {
    for (let index = 0; index < 4; index++) {
      log.append(makeBatch(`r${round}-${index}`, 1, 1000, 1000), 1, log.durableOffset)
    }
    await log.flush()
    if (round % 7 !== 0) continue
    const slice = log.readCached(log.nextOffset - 2, 100_000, log.nextOffset)!
    for (const bytes of slice.buffers) held.push({ bytes, copy: Buffer.from(bytes) })
  }
  t.ok(held.length >= 40)
  t.ok(held.every(({ bytes, copy }) => bytes.equals(copy)), 'unchanged')
})

t.test('TailCache: slices that are given back let their memory be used again, those of others do not', async t => {
  const machine = new TestMachine({ tailCacheBytes: MAX_BYTES })
  await machine.start()
  const log = await machine.open({ ...SMALL, segmentBytes: 1 << 30 })
  /** Reads everything by two readers, of whom the second may keep what it has. */
  const memoryOf = async (keeps: boolean): Promise<number> => {
    const memory = new Set<ArrayBufferLike>()
    for (let round = 0; round < 300; round++) {
      const from = log.nextOffset
      for (let index = 0; index < 4; index++) log.append(makeBatch(`r${index}`, 1, 1000, 1000), 1, log.durableOffset)
      const [first, second] = [1, 2].map(() => log.readCached(from, 100_000, log.nextOffset)!)
      for (const bytes of first!.buffers) memory.add(bytes.buffer)
      first!.release!()
      if (!keeps) second!.release!()
      await log.flush()
    }
    return memory.size
  }
  t.ok(await memoryOf(false) <= 24, 'about as many slabs as the bound holds')
  t.ok(await memoryOf(true) > 40, 'new ones for those that are still read')
})
