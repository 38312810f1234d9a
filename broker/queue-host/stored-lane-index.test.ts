// The lane index on the meta store against the one in memory, over chunks, restarts and refused writes.

import { MemoryMetaStore } from '@sluice/storage/testing'
import fc from 'fast-check'
import t from 'tap'
import { MemoryLaneIndex } from '../queue/memory-lane-index.js'
import type { LaneIndex } from '../queue/queue-types.js'
import { KEYLESS_LANE } from '../queue/weighted-picker.js'
import { StoredLaneIndex } from './stored-lane-index.js'

const PREFIX = Buffer.from('partition and group')
const LANES = [0, 1, 64, 65, 2 ** 40 + 3, KEYLESS_LANE]

const step = fc.record({
  kind: fc.constantFrom('add', 'add', 'add', 'add', 'skip', 'trim', 'commit', 'restart'),
  lane: fc.constantFrom(...LANES),
  count: fc.integer({ min: 1, max: 12 }),
})

function contentOf (index: LaneIndex, floor: number): unknown {
  const end = index.indexedEnd
  return LANES.map(lane => {
    const offsets: number[] = []
    for (let next = index.nextOffsetOf(lane, floor - 1); next >= 0; next = index.nextOffsetOf(lane, next)) {
      offsets.push(next)
    }
    const middle = (floor + end) >> 1
    const counts = [[floor, middle], [middle, end], [end, end]].map(([from, to]) => index.countOf(lane, from!, to!))
    return { lane, offsets, counts }
  })
}

t.test('StoredLaneIndex: as the one in memory, over chunks and restarts (random steps)', async t => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), steps => {
    const commits: (() => void)[] = []
    const meta = new MemoryMetaStore({ schedule: commit => { commits.push(commit) } })
    let index = new StoredLaneIndex(meta, PREFIX, 10)
    const model = new MemoryLaneIndex()
    const log: [number, number][] = []
    let floor = 0
    let end = 0
    for (const { kind, lane, count } of steps) {
      if (kind === 'add') {
        for (let record = 0; record < count; record++, end++) {
          log.push([lane, end])
          index.add(lane, end)
          model.add(lane, end)
        }
      } else if (kind === 'skip') {
        end += count
        index.advanceTo(end)
        model.advanceTo(end)
      } else if (kind === 'trim') {
        floor = Math.min(end, floor + count * 3)
        index.trimBelow(floor)
        model.trimBelow(floor)
      } else if (kind === 'commit') for (const commit of commits.splice(0)) commit()
      else {
        index = new StoredLaneIndex(meta, PREFIX, 10)
        index.restore(floor, end)
        if (index.indexedEnd > end) throw new Error('it knows more than the log holds')
        // What it has lost is fed again, as the group does from the log.
        const from = Math.max(index.indexedEnd, floor)
        for (const [lane, offset] of log) if (offset >= from) index.add(lane, offset)
        index.advanceTo(end)
      }
    }
    t.same(contentOf(index, floor), contentOf(model, floor))
  }), { numRuns: 300, seed: 11 })
})

t.test('StoredLaneIndex: a stuck key with two million records behind it costs disk, not memory', async t => {
  const index = new StoredLaneIndex(new MemoryMetaStore({ schedule: commit => commit() }), PREFIX)
  const count = 2_000_000
  // A hundred thousand keys, and one that has every tenth record.
  const laneOf = (offset: number): number => offset % 10 === 0 ? 7 : 1_000 + (offset * 7_919) % 100_000
  for (let offset = 0; offset < count; offset++) index.add(laneOf(offset), offset)
  t.equal(index.countOf(7, 0, count), count / 10)
  t.equal(index.nextOffsetOf(7, 0), 10)
  t.equal(index.nextOffsetOf(7, 1_234_561), 1_234_570)
  t.equal(index.nextOffsetOf(7, count - 1), -1)
  t.equal(index.nextOffsetOf(laneOf(1_999_999), 1_999_998), 1_999_999)
  t.equal(index.nextOffsetOf(laneOf(123_457), 123_456), 123_457)
  const { records, bytes } = index.footprint
  t.ok(records <= 32_768, `${records} records in memory`)
  t.ok(bytes > 0 && bytes <= 512 * 1024, `${bytes} bytes at hand`)
  index.trimBelow(count)
  t.equal(index.footprint.chunks, 0)
})

t.test('StoredLaneIndex: what the meta store refuses stays in memory, and is written when it takes it', async t => {
  let isFull = true
  const meta = new MemoryMetaStore({ schedule: commit => commit() })
  const write = meta.write.bind(meta)
  meta.write = (changes, options = {}) => isFull ? options.done?.(new Error('no space')) : write(changes, options)
  const index = new StoredLaneIndex(meta, PREFIX, 100)
  for (let offset = 0; offset < 250; offset++) index.add(offset % 5, offset)
  t.equal(index.footprint.records, 250)
  t.equal(index.nextOffsetOf(3, 100), 103)
  isFull = false
  for (let offset = 250; offset < 300; offset++) index.add(offset % 5, offset)
  t.equal(index.footprint.records, 0)
  t.equal(index.nextOffsetOf(3, 100), 103)
  const again = new StoredLaneIndex(meta, PREFIX, 100)
  again.restore(150, 300)
  t.equal(again.indexedEnd, 300)
  t.equal(again.nextOffsetOf(3, 150), 153)
})

t.test('StoredLaneIndex: chunks of another log, or without what was before them, are dropped', async t => {
  const meta = new MemoryMetaStore({ schedule: commit => commit() })
  const filled = (): StoredLaneIndex => {
    const index = new StoredLaneIndex(meta, PREFIX, 100)
    index.restore(1_000, 1_000)
    for (let offset = 1_000; offset < 1_400; offset++) index.add(1, offset)
    return index
  }
  filled()
  const shorter = new StoredLaneIndex(meta, PREFIX, 100)
  shorter.restore(1_000, 1_250)
  t.equal(shorter.indexedEnd, 1_200, 'a log that ends before')
  filled()
  const earlier = new StoredLaneIndex(meta, PREFIX, 100)
  earlier.restore(900, 2_000)
  t.equal(earlier.indexedEnd, 900, 'a floor that lies before all of it')
  t.equal(earlier.nextOffsetOf(1, 899), -1)
})
