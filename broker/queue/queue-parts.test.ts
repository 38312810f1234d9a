// The parts of a queue group, each on its own.

import fc from 'fast-check'
import t from 'tap'
import { ByteReader, QueueStateFault } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import { DedupWindow } from './dedup-window.js'
import { readDelta } from './delta-reader.js'
import { LaneRates } from './lane-rates.js'
import { MemoryDedupStore } from './memory-dedup-store.js'
import { MemoryDelayStore } from './memory-delay-store.js'
import { MemoryLaneIndex } from './memory-lane-index.js'
import { OffsetHeap } from './offset-heap.js'
import { QueueClock } from './queue-clock.js'
import { QueueLife, stepsOf } from './queue-model.test.double.js'
import {
  DEFAULT_QUEUE_SETTINGS, QUEUE_SETTINGS, parseQueueSetting, queueConfigOf, queueSettingsFault,
} from './queue-settings.js'
import { QueueState } from './queue-state.js'
import { RecordLedger } from './record-ledger.js'
import { backoffMs } from './retry-policy.js'
import { SlotIndex } from './slot-index.js'
import { TimingWheel } from './timing-wheel.js'

t.test('ByteWriter: what is written is read back (numbers of up to 53 bits, texts)', async () => {
  const edges = fc.constantFrom(0, 127, 128, 2 ** 31, Number.MAX_SAFE_INTEGER)
  const counts = fc.array(fc.oneof(fc.nat(), fc.maxSafeNat(), edges))
  fc.assert(fc.property(counts, fc.string({ unit: 'binary' }), (values, text) => {
    const writer = new ByteWriter()
    for (const value of values) writer.count(value)
    for (const value of values) writer.signed(-Math.floor(value / 4))
    writer.text(text)
    const reader = new ByteReader(writer.take())
    for (const value of values) if (reader.count() !== value) throw new Error(`${value}`)
    for (const value of values) if (reader.signed() !== -Math.floor(value / 4) + 0) throw new Error(`-${value}`)
    return reader.text() === text && reader.atEnd
  }), { seed: 1, numRuns: 300 })
})

t.test('Deltas: every prefix is read or refused, never anything else', async t => {
  const [steps] = fc.sample(stepsOf(80), { seed: 9, numRuns: 1 })
  const life = new QueueLife({ order: 'key' }, null, 3)
  for (const step of steps!) life.run(step)
  const read = (bytes: Uint8Array): void => {
    // Changes are carried out on a state of their own, where anything may be missing.
    const state = new QueueState(new MemoryDelayStore())
    try {
      readDelta(bytes, header => state.begin({ ...header, sequence: 1 }))
    } catch (cause) {
      if (!(cause instanceof QueueStateFault)) throw cause
    }
  }
  for (const delta of life.world.deltas.slice(-12)) {
    for (let size = 0; size < delta.length; size++) read(delta.subarray(0, size))
  }
  t.pass('no prefix does harm')
})

t.test('Snapshots: cut short or of another version they are refused', async t => {
  const life = new QueueLife({}, null, 3)
  const snapshot = life.world.group.state.snapshot()
  for (let size = 0; size < snapshot.length; size++) {
    t.throws(() => new QueueState(new MemoryDelayStore()).restore(snapshot.subarray(0, size)), { name: 'QueueStateFault' })
  }
  const other = snapshot.slice()
  other[0] = 77
  t.throws(() => new QueueState(new MemoryDelayStore()).restore(other), /version 77/)
})

t.test('Snapshots: one of version 1 is read, which knows nothing of damaged records', async t => {
  const state = new QueueState(new MemoryDelayStore())
  const snapshot = [...state.snapshot()]
  const endOfCauses = 1 + 6 + 1 + 1 + state.ended.length
  const older = Uint8Array.from([1, ...snapshot.slice(1, endOfCauses - 1), ...snapshot.slice(endOfCauses)])
  const restored = new QueueState(new MemoryDelayStore())
  restored.restore(older)
  t.same([...restored.snapshot()], snapshot)
})

t.test('SlotIndex: finds what is there and nothing else, like a Map', async () => {
  const actions = fc.array(fc.tuple(fc.boolean(), fc.oneof(fc.nat(40), fc.maxSafeNat())), { maxLength: 300 })
  fc.assert(fc.property(actions, steps => {
    const keys = new Float64Array(400)
    const index = new SlotIndex(keys)
    const model = new Map<number, number>()
    let slots = 0
    for (const [adds, key] of steps) {
      const slot = model.get(key)
      if (adds && slot === undefined) {
        keys[slots] = key
        index.add(slots)
        model.set(key, slots++)
      } else if (!adds && slot !== undefined) {
        index.remove(slot)
        model.delete(key)
      }
    }
    return index.size === model.size && steps.every(([, key]) => index.find(key) === (model.get(key) ?? -1))
  }), { seed: 2, numRuns: 200 })
})

t.test('OffsetHeap: gives offsets back in order, also after a filter', async () => {
  fc.assert(fc.property(fc.array(fc.nat()), offsets => {
    const heap = new OffsetHeap()
    for (const offset of offsets) heap.push(offset)
    heap.filter(offset => offset % 3 !== 0)
    const kept = offsets.filter(offset => offset % 3 !== 0).sort((a, b) => a - b)
    return kept.every(offset => heap.pop() === offset) && heap.pop() === Infinity
  }), { seed: 3, numRuns: 200 })
})

t.test('TimingWheel: nothing is early, and nothing late by more than a bucket, whatever the clock does', async () => {
  const moves = fc.array(fc.tuple(fc.integer({ min: -100_000, max: 200_000 }), fc.nat(300_000)), { maxLength: 40 })
  fc.assert(fc.property(moves, steps => {
    const ledger = new RecordLedger()
    const wheel = new TimingWheel(ledger)
    let nowMs = 1_000_000
    let offset = 0
    for (const [moveMs, delayMs] of steps) {
      const slot = ledger.insert(offset++)
      ledger.times[slot] = nowMs + delayMs
      wheel.add(slot)
      nowMs += moveMs
      const due: number[] = []
      wheel.takeDue(nowMs, 1_000, due)
      for (const one of due) if (ledger.times[ledger.find(one)]! > nowMs) throw new Error('early')
      for (let one = 0; one < offset; one++) {
        const held = ledger.find(one)
        if (ledger.buckets[held] !== 0 && moveMs >= 0 && ledger.times[held]! < nowMs - 128) throw new Error('late')
      }
    }
    const rest: number[] = []
    nowMs = 1e9
    wheel.takeDue(nowMs, 1_000, rest)
    return wheel.size === 0
  }), { seed: 4, numRuns: 300 })
})

t.test('TimingWheel: takes no more than it may, and goes on where it stopped', async t => {
  const ledger = new RecordLedger()
  const wheel = new TimingWheel(ledger)
  for (let offset = 0; offset < 10; offset++) {
    const slot = ledger.insert(offset)
    ledger.times[slot] = 100
    wheel.add(slot)
  }
  const due: number[] = []
  wheel.takeDue(500, 4, due)
  t.equal(due.length, 4)
  t.ok(wheel.nextDueMs() <= 500)
  wheel.takeDue(500, 100, due)
  t.equal(due.length, 10)
  t.equal(wheel.nextDueMs(), Infinity)
})

t.test('MemoryLaneIndex: finds what comes next in a lane, and forgets what is over', async t => {
  const index = new MemoryLaneIndex()
  for (let offset = 0; offset < 3_000; offset++) index.add(offset % 3, offset)
  index.add(0, 5)
  t.equal(index.indexedEnd, 3_000)
  t.equal(index.nextOffsetOf(1, 4), 7)
  t.equal(index.nextOffsetOf(1, 2_998), -1)
  t.equal(index.countOf(2, 0, 9), 3)
  index.trimBelow(2_999)
  t.equal(index.nextOffsetOf(2, 0), 2_999)
  t.equal(index.laneCount, 1)
})

t.test('DedupWindow: an id whose record was lost is free; overflow goes to the store', async t => {
  const store = new MemoryDedupStore()
  const window = new DedupWindow({ windowMs: 10, untilSettled: false, idsInMemory: 2, store, isSettled: () => false })
  for (let offset = 0; offset < 5; offset++) window.onAppended([0, 0, 0, offset], offset, 100)
  t.equal(window.size, 2)
  t.equal(store.size, 3)
  t.equal(window.find([0, 0, 0, 0], 109), 0)
  t.equal(window.find([0, 0, 0, 0], 110), -1)
  t.equal(window.find([1, 0, 0, 4], 100), -1, 'a hash that differs in any word is another id')
  window.tick(110, 0)
  t.equal(window.size + store.size, 0)
})

t.test('Back-off: full jitter under a bound that doubles up to its highest', async t => {
  const config = { backoffMinMs: 1_000, backoffMaxMs: 300_000 }
  t.equal(backoffMs(1, config, () => 0.999999), 1_000)
  t.equal(backoffMs(4, config, () => 0.999999), 8_000)
  t.equal(backoffMs(1_000, config, () => 0.999999), 300_000)
  t.equal(backoffMs(3, config, () => 0), 0)
})

t.test('Queue settings: the defaults are valid; what is out of range is told with its range', async t => {
  for (const [name, row] of Object.entries(QUEUE_SETTINGS)) {
    t.same(parseQueueSetting(name, row.default), { value: row.default }, name)
  }
  t.equal(queueSettingsFault(DEFAULT_QUEUE_SETTINGS), null)
  const defaults = queueConfigOf(DEFAULT_QUEUE_SETTINGS)
  t.match(defaults, { visibilityMs: 30_000, maxAttempts: 5, maxInFlight: 20_000, order: 'none' })
  t.same(parseQueueSetting('visibility.ms', '90s'), { value: '90000' })
  t.match(parseQueueSetting('visibility.ms', '13h'), { fault: 'visibility.ms is "13h"; it must be 1000 to 43200000 ms' })
  t.match(parseQueueSetting('max.attempts', '0'), { fault: /must be a whole number, 1 to 1000/ })
  t.match(parseQueueSetting('max.attempts', '1.5'), { fault: /must be a whole number, 1 to 1000/ })
  t.match(parseQueueSetting('order', 'random'), { fault: /must be one of none, key, fair, priority/ })
  for (const text of ['', '-1', '1.5', 'NaN', '5 parsecs']) t.match(parseQueueSetting('visibility.ms', text), { fault: /visibility/ })
  t.match(parseQueueSetting('__proto__', '1'), { fault: /unknown setting/ })
  t.match(queueSettingsFault({ ...DEFAULT_QUEUE_SETTINGS, poison: 'dlq-key' }), /needs a dead.letter/)
  const faultOf = (settings: Partial<typeof DEFAULT_QUEUE_SETTINGS>): string | null =>
    queueSettingsFault({ ...DEFAULT_QUEUE_SETTINGS, ...settings })
  t.equal(faultOf({ 'backoff.min.ms': '600000' }),
    'backoff.min.ms is 600000; it must be at most backoff.max.ms, which is 300000')
  t.match(faultOf({ 'lease.total.ms': '1000' }), /^visibility.ms is 30000; it must be at most lease.total.ms/)
  t.equal(faultOf({ 'key.rate': '5' }), 'key.rate is 5; with order none it must be 0: it is for order key and fair')
  t.equal(faultOf({ 'key.rate': '5', order: 'key' }), null)
  t.match(parseQueueSetting('dead.letter', 'no/name'), { fault: /^dead.letter: topic name "no\/name" is not allowed/ })
  t.same(parseQueueSetting('dead.letter', 'orders.dead'), { value: 'orders.dead' })
  t.match(faultOf({ 'key.concurrency': '2', order: 'key' }), /with order key it must be 0: it is for order fair$/)
})

t.test('Queue settings: each range is refused on both sides, with the range in the message', async t => {
  for (const [name, row] of Object.entries(QUEUE_SETTINGS)) {
    if (!('min' in row)) continue
    for (const value of [row.min - 1, row.max + 1]) {
      const range = `${row.min} to ${row.max}`
      const fault = `${name} is "${value}"; it must be ${row.kind === 'duration' ? `${range} ms` : `a whole number, ${range}`}`
      t.same(parseQueueSetting(name, String(value)), { fault }, fault)
    }
    for (const value of [row.min, row.max].map(String)) t.same(parseQueueSetting(name, value), { value }, name)
  }
})

t.test('LaneRates: keys whose allowance is whole again are forgotten', async t => {
  const clock = new QueueClock()
  clock.start(0, 1_700_000_000_000, 0, 0)
  const rates = new LaneRates(clock, { ...queueConfigOf(DEFAULT_QUEUE_SETTINGS), keyRate: 5, keyRatePeriodMs: 1_000 })
  rates.start()
  t.equal(rates.waitMs(1), 200, 'a new leader takes every allowance for used up')
  for (let round = 0; round < 50; round++) {
    clock.advance(10_000 + round * 1_000, 1_700_000_010_000 + round * 1_000)
    for (let lane = 0; lane < 1_000; lane++) rates.take(round * 1_000 + lane)
  }
  t.ok(rates.size <= 4_000, `${rates.size} of 50,000 keys`)
  for (let count = 0; count < 4; count++) rates.take(49_000)
  t.equal(rates.waitMs(49_000), 200)
  t.ok(rates.holdsBack(49_000))
  t.same(rates.takeDue(), [])
  clock.advance(59_200, 1_700_000_059_200)
  t.same(rates.takeDue(), [49_000])
  t.equal(rates.waitMs(49_000), 0)
})
