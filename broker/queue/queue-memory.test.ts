// What a group costs: state for what is outstanding, nothing for a backlog, disk for what is far away.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { QueueGroup } from './queue-group.js'
import { BASE_CONFIG } from './queue-world.test.double.js'
import type { QueueConfig } from './queue-settings.js'
import type { DelayStore, LaneIndex, RecordFeed } from './queue-types.js'

const MiB = 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function usedBytes (): number {
  // Array buffers are let go of one collection later.
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Records without end, each of a key of its own; or of far-away dates. */
function feedOf (notBeforeMs: number): RecordFeed {
  return {
    read (fromOffset, endOffset, facts) {
      for (let offset = fromOffset; offset < endOffset && facts.count < facts.capacity; offset++) {
        const row = facts.count++
        facts.offsets[row] = offset
        facts.lanes[row] = offset
        facts.priorities[row] = 0
        facts.notBeforeMs[row] = notBeforeMs
        facts.expiresMs[row] = 0
        facts.sizes[row] = 100
        facts.endOffset = offset + 1
      }
      return true
    },
    sizeOf: () => 100,
  }
}

/** Stands for a disk: keeps nothing but how much there is. */
class CountingStore implements DelayStore {
  size = 0
  readonly isFull = false
  put (): void { this.size++ }
  get (): Uint8Array | null { return null }
  remove (): void {}
  take (): Uint8Array | null { return null }
  removeBelow (): number { return 0 }
  minOffset (): number { return this.size === 0 ? Infinity : 0 }
  offsetsIn (): number[] { return [] }
  firstDueMs (): number { return Infinity }
  firstDueOffset (): number { return -1 }
}

/** Stands for an index on disk: the records of `feedOf`. */
const INDEX: LaneIndex = {
  partCount: 1,
  indexedEnd: Number.MAX_SAFE_INTEGER,
  add () {},
  advanceTo () {},
  nextOffsetOf: (lane, after) => lane > after ? lane : -1,
  countOf: (lane, fromOffset, endOffset) => lane >= fromOffset && lane < endOffset ? 1 : 0,
  trimBelow () {},
}

function groupOf (config: Partial<QueueConfig>, highWatermark: number, notBeforeMs = 0): QueueGroup {
  const group = new QueueGroup({
    config: { ...BASE_CONFIG, ...config },
    feed: feedOf(notBeforeMs),
    laneIndex: INDEX,
    delayed: new CountingStore(),
    random: () => 0.5,
    host: { wake () {}, appendDeadLetter () {} },
  })
  group.lead(1, 0, 1_700_000_000_000)
  group.onHighWatermark(highWatermark)
  group.openSession(1, 0)
  group.endTurn()
  return group
}

function lease (group: QueueGroup, total: number): void {
  for (let count = 0; count < total;) {
    count += group.receive({ sessionId: 1, maxRecords: 10_000, maxBytes: 1e12 }, () => {})
    group.onDeltaDurable(group.endTurn() === null ? 0 : group.sequence)
  }
}

for (const order of ['none', 'key'] as const) {
  t.test(`QueueGroup: 10 million backlog with 1,000 outstanding costs under 5 MB (order ${order})`, async t => {
    const before = usedBytes()
    const group = groupOf({ order, maxInFlight: 1_000 }, 10_000_000)
    lease(group, 1_000)
    const used = usedBytes() - before
    t.ok(used < 5e6, `${(used / MiB).toFixed(2)} MiB`)
    t.match(group.stats(), { leased: 1_000, fresh: 9_999_000 })
  })
}

t.test('QueueGroup: a million in flight, each of a key of its own, costs under 200 MB', async t => {
  const before = usedBytes()
  const group = groupOf({ order: 'key', maxInFlight: 1_000_000 }, 1_000_000)
  lease(group, 1_000_000)
  const used = usedBytes() - before
  t.ok(used < 200e6, `${(used / MiB).toFixed(1)} MiB`)
  t.match(group.stats(), { leased: 1_000_000, busyLanes: 1_000_000 })
})

t.test('QueueGroup: a million in flight costs under 200 MB, and nothing once it is settled', async t => {
  const before = usedBytes()
  const group = groupOf({ maxInFlight: 1_000_000 }, 1_000_000)
  lease(group, 1_000_000)
  const used = usedBytes() - before
  t.ok(used < 200e6, `${(used / MiB).toFixed(1)} MiB`)
  t.equal(group.stats().leased, 1_000_000)
  for (let offset = 0; offset < 1_000_000; offset += 10_000) {
    group.settle([{ kind: 1, offset, count: 10_000, leaseEpoch: 1, leaseSequence: offset + 1 }], () => {})
    group.endTurn()
    group.onDeltaDurable(group.sequence)
  }
  t.equal(group.durableFloor, 1_000_000)
  const after = usedBytes() - before
  t.ok(after < 30 * MiB, `${(after / MiB).toFixed(1)} MiB`)
})

t.test('QueueGroup: records delayed for a month cost no memory', async t => {
  const before = usedBytes()
  const group = groupOf({ maxInFlight: 1_000 }, 1_000_000, 1_702_600_000_000)
  for (let round = 0; round < 100; round++) {
    group.receive({ sessionId: 1, maxRecords: 10, maxBytes: 1e6 }, () => {})
    group.onDeltaDurable(group.endTurn() === null ? 0 : group.sequence)
  }
  const used = usedBytes() - before
  t.match(group.stats(), { delayed: 1_000_000, leased: 0 })
  t.ok(used < 30 * MiB, `${(used / MiB).toFixed(2)} MiB`)
})
