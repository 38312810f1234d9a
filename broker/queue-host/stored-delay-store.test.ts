// The delay store on the meta store against the one in memory, over checkpoints, restarts and images.

import { MemoryMetaStore } from '@sluice/storage/testing'
import fc from 'fast-check'
import t from 'tap'
import { MemoryDelayStore } from '../queue/memory-delay-store.js'
import { DELAY_CLOCK, type DelayClock, type DelayStore } from '../queue/queue-types.js'
import { readDelayPiece, type DelayImage } from './delay-image.js'
import { DELAYED_TABLE, DUE_TABLE } from './queue-keys.js'
import { StoredDelayStore } from './stored-delay-store.js'

const PREFIX = Buffer.from('partition and group')

const step = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'remove', 'removeFirst', 'removeBelow', 'removeAll',
    'freeze', 'write', 'commit', 'image', 'piece', 'restart'),
  offset: fc.nat(60),
  clock: fc.constantFrom<DelayClock>(DELAY_CLOCK.queue, DELAY_CLOCK.wall),
  dueMs: fc.nat(1000),
})

function contentOf (store: DelayStore): unknown {
  const { size } = store
  return {
    size,
    min: store.minOffset(),
    due: [store.firstDueMs(0), store.firstDueMs(1)],
    records: Array.from({ length: 61 }, (_, offset) => store.get(offset)?.[0] ?? null),
    some: store.offsetsIn(10, 40, 5),
  }
}

function recordsOf (store: DelayStore): Map<number, number> {
  const records = new Map<number, number>()
  for (const offset of store.offsetsIn(0, 61, 61)) records.set(offset, store.get(offset)![0]!)
  return records
}

function byOffset ([a]: [number, number], [b]: [number, number]): number { return a - b }

t.test('StoredDelayStore: as the one in memory, over checkpoints and restarts (random steps)', async t => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const meta = new MemoryMetaStore({ schedule: () => {} })
    let store = new StoredDelayStore(meta, PREFIX)
    let model = new MemoryDelayStore()
    let frozen: MemoryDelayStore | null = null
    let stored = new MemoryDelayStore()
    let isWritten = false
    let image: { walk: DelayImage, expected: Map<number, number>, found: Map<number, number> } | null = null
    for (const { kind, offset, clock, dueMs } of steps) {
      if (kind === 'put') for (const target of [store, model]) target.put(offset, clock, dueMs, Uint8Array.of(dueMs % 251))
      else if (kind === 'remove') for (const target of [store, model]) target.remove(offset)
      else if (kind === 'removeFirst') {
        const first = model.firstDueOffset(clock)
        if (first >= 0) for (const target of [store, model]) target.remove(first)
      } else if (kind === 'removeBelow' || kind === 'removeAll') {
        const endOffset = kind === 'removeAll' ? 1000 : offset
        t.equal(store.removeBelow(endOffset), model.removeBelow(endOffset))
      } else if (kind === 'freeze' && !isWritten) {
        store.freeze()
        frozen = model.copy()
      } else if (kind === 'write' && frozen !== null) {
        meta.write(store.writesOfFrozen())
        isWritten = true
        stored = frozen
      } else if (kind === 'commit' && isWritten) {
        store.onCheckpointed()
        isWritten = false
        frozen = null
      } else if (kind === 'image' && image === null) {
        image = { walk: store.beginImage(), expected: recordsOf(model), found: new Map() }
      } else if (kind === 'piece' && image !== null) {
        const piece = image.walk.next()
        const { found } = image
        if (piece !== null) readDelayPiece(piece, (at, { record }) => found.set(at, record[0]!))
        else {
          t.strictSame([...found].sort(byOffset), [...image.expected])
          store.endImage()
          image = null
        }
      } else if (kind === 'restart') {
        store = new StoredDelayStore(meta, PREFIX)
        store.restore(stored.size)
        model = stored.copy()
        frozen = image = null
        isWritten = false
      }
      t.strictSame(contentOf(store), contentOf(model))
    }
  }), { seed: 5, numRuns: 400 })
})

t.test('StoredDelayStore: rows of a purge are swept away, and count no more after a restart', async t => {
  const meta = new MemoryMetaStore({ schedule: () => {} })
  const store = new StoredDelayStore(meta, PREFIX)
  const checkpoint = (): void => {
    store.freeze()
    meta.write(store.writesOfFrozen())
    store.onCheckpointed()
  }
  for (let offset = 0; offset < 2500; offset++) store.put(offset, DELAY_CLOCK.wall, 1000, Uint8Array.of(1))
  checkpoint()
  t.equal(store.removeBelow(2500), 2500)
  t.ok(store.isDue, 'a checkpoint should follow at once')
  checkpoint()
  store.put(2600, DELAY_CLOCK.wall, 77, Uint8Array.of(2))
  checkpoint()
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(meta.range(DELAYED_TABLE).length, 1)
  t.equal(meta.range(DUE_TABLE).length, 1)
  const again = new StoredDelayStore(meta, PREFIX)
  again.restore(1)
  t.equal(again.minOffset(), 2600)
  t.equal(again.firstDueMs(DELAY_CLOCK.wall), 77)
})

t.test('StoredDelayStore: full while nothing reaches the disk', async t => {
  const meta = new MemoryMetaStore({ schedule: () => {} })
  const store = new StoredDelayStore(meta, PREFIX)
  for (let offset = 0; !store.isFull; offset++) store.put(offset, DELAY_CLOCK.wall, 1000, Uint8Array.of(1))
  t.ok(store.isDue)
  store.freeze()
  meta.write(store.writesOfFrozen())
  t.ok(store.isFull, 'until it is committed')
  store.onCheckpointed()
  t.notOk(store.isFull)
})

t.test('StoredDelayStore: an image is of the moment it began, whatever happens meanwhile', async t => {
  const meta = new MemoryMetaStore({ schedule: () => {} })
  const store = new StoredDelayStore(meta, PREFIX)
  const expected = new Map<number, number>()
  for (let offset = 0; offset < 3000; offset++) {
    store.put(offset, DELAY_CLOCK.wall, 1000 + offset, Uint8Array.of(offset % 251))
  }
  store.freeze()
  meta.write(store.writesOfFrozen())
  store.onCheckpointed()
  for (let offset = 0; offset < 3000; offset += 7) store.remove(offset)
  store.put(14, DELAY_CLOCK.queue, 5, Uint8Array.of(200))
  for (let offset = 0; offset < 3000; offset++) {
    const record = store.get(offset)
    if (record !== null) expected.set(offset, record[0]!)
  }
  const image = store.beginImage()
  const found = new Map<number, number>()
  for (let piece = image.next(), round = 0; piece !== null; piece = image.next(), round++) {
    readDelayPiece(piece, (offset, { record }) => {
      if (found.has(offset)) t.fail(`record ${offset} comes twice`)
      found.set(offset, record[0]!)
    })
    for (let offset = round; offset < 3000; offset += 5) store.remove(offset)
    store.put(2999 - round, DELAY_CLOCK.wall, 77, Uint8Array.of(99))
    store.put(5000 + round, DELAY_CLOCK.wall, 77, Uint8Array.of(99))
    store.freeze()
    meta.write(store.writesOfFrozen())
    store.onCheckpointed()
  }
  store.endImage()
  t.same([...found].sort(([a], [b]) => a - b), [...expected])
})
