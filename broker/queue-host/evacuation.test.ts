// Evacuation with real groups: nothing that anybody still needs may be named as free.

import t from 'tap'
import type { CompactionResult, LogSegment } from '@sluice/storage'
import { EVACUATION, Evacuation, type EvacuationLog } from './evacuation.js'
import { SETTLE_KIND } from '../queue/queue-types.js'
import { QueueWorld, itemOf, type Handle } from '../queue/queue-world.test.double.js'

const MiB = 1024 * 1024
const NOW_MS = 1_700_000_000_000

function segmentOf (baseOffset: number, endOffset: number, more: Partial<LogSegment> = {}): LogSegment {
  const lastAppendMs = NOW_MS - EVACUATION.ageMsMin
  return { baseOffset, endOffset, sizeBytes: 256 * MiB, lastAppendMs, sealed: true, ...more }
}

/** A log that only notes what it is asked to do. */
class NotingLog implements EvacuationLog {
  segments: LogSegment[]
  readonly done: [from: number, to: number, live: number[]][] = []

  constructor (segments: LogSegment[]) { this.segments = segments }

  listSegments (): LogSegment[] { return this.segments }

  async evacuate ({ from, to }: { from: number, to: number }, live: Float64Array): Promise<CompactionResult> {
    this.done.push([from, to, [...live]])
    return { segments: 1, bytesBefore: 0, bytesAfter: 0, recordsRemoved: 0, complete: true }
  }
}

/** A group with `count` records of which all but `kept` are acknowledged, durably. */
function worldOf (count: number, kept: readonly number[], order: 'none' | 'key' = 'none'): QueueWorld {
  const world = new QueueWorld({ order, maxInFlight: 1_000, runMax: 1_000, sessionTimeoutMs: 300_000 })
  world.group.openSession(1, 0)
  for (let offset = 0; offset < count; offset++) world.append({ lane: order === 'key' ? offset : -1 })
  const handles: Handle[] = []
  world.receive(1, count, told => handles.push(...told))
  world.endTurn()
  world.persist()
  const items = handles.filter(({ offset }) => !kept.includes(offset)).map(handle => itemOf(SETTLE_KIND.ack, handle))
  world.group.settle(items, () => {})
  world.endTurn()
  return world
}

function evacuationOf (log: NotingLog, worlds: readonly QueueWorld[]): Evacuation {
  return new Evacuation({ log, groups: () => worlds.map(({ group }) => group), sizeOf: () => 1_000 })
}

t.test('Evacuation: an old segment of which little is needed gives up the rest, once that is durable', async t => {
  for (const order of ['none', 'key'] as const) {
    const world = worldOf(400, [7, 150], order)
    const log = new NotingLog([segmentOf(0, 100), segmentOf(100, 200), segmentOf(200, 300), segmentOf(300, 400)])
    const round = evacuationOf(log, [world]).run(NOW_MS)
    await new Promise(resolve => setImmediate(resolve))
    t.same(log.done, [], 'the acks could still be lost')
    world.persist()
    t.equal(await round, 4)
    t.same(log.done, [[0, 100, [7]], [100, 200, [150]], [200, 300, []], [300, 400, []]], order)
  }
})

t.test('Evacuation: what stops it (young, active, below the floor, much needed, little gained)', async t => {
  const world = worldOf(600, [100, 300, 301, 302, 303, 304, 305, 599])
  world.persist()
  const log = new NotingLog([
    segmentOf(0, 100), // below the floor: goes as a whole
    segmentOf(100, 200, { lastAppendMs: NOW_MS - EVACUATION.ageMsMin + 1 }),
    segmentOf(200, 300, { sizeBytes: MiB - 1 }),
    segmentOf(300, 400), // 6 % are needed
    segmentOf(400, 600, { sealed: false }),
  ])
  t.equal(await evacuationOf(log, [world]).run(NOW_MS), 0)
  t.equal(await evacuationOf(log, []).run(NOW_MS + 1e9), 0, 'no group: nobody has said that anything is done with')
  t.equal(await evacuationOf(log, [world]).run(NOW_MS + 1), 1)
  t.same(log.done, [[100, 200, [100]]])
  const signal = AbortSignal.abort()
  t.equal(await evacuationOf(log, [world]).run(NOW_MS + 1, signal), 0)
})

t.test('Evacuation: what any group needs stays', async t => {
  const [first, second] = [worldOf(200, [1, 101]), worldOf(200, [3])]
  first.persist()
  second.persist()
  const log = new NotingLog([segmentOf(0, 200)])
  await evacuationOf(log, [first, second]).run(NOW_MS)
  t.same(log.done, [[0, 200, [1, 3, 101]]])
  const behind = worldOf(200, [])
  behind.append()
  behind.crash()
  const fresh = new QueueWorld()
  for (let count = 0; count < 200; count++) fresh.append()
  t.equal(await evacuationOf(log, [first, fresh]).run(NOW_MS), 0, 'a group that has not come by needs all of it')
})

t.test('Evacuation: a segment is not done again before half of what was needed is over', async t => {
  const world = worldOf(400, [1, 2, 3, 4])
  world.persist()
  const log = new NotingLog([segmentOf(0, 400)])
  const evacuation = evacuationOf(log, [world])
  t.equal(await evacuation.run(NOW_MS), 1)
  t.equal(await evacuation.run(NOW_MS), 0)
  const acknowledge = async (offsets: readonly number[]): Promise<number> => {
    const handles = world.handles.filter(({ offset }) => offsets.includes(offset))
    for (const handle of handles) world.settleNow(SETTLE_KIND.ack, handle)
    return await evacuation.run(NOW_MS)
  }
  t.equal(await acknowledge([1]), 0)
  t.equal(await acknowledge([2]), 1)
  t.same(log.done.at(-1), [0, 400, [3, 4]])
})

t.test('Evacuation: records that are delayed, on their way to the dead letters, or ended ahead are needed', async t => {
  const world = worldOf(200, [5, 6, 7])
  world.persist()
  const [delayed, dying] = world.handles.filter(({ offset }) => offset === 5 || offset === 6)
  world.settleNow(SETTLE_KIND.nack, delayed!, { delayMs: 86_400_000 })
  t.equal(world.delayed.size, 1, 'on disk')
  world.settleNow(SETTLE_KIND.reject, dying!)
  const log = new NotingLog([segmentOf(0, 200)])
  await evacuationOf(log, [world]).run(NOW_MS)
  t.same(log.done, [[0, 200, [5, 6, 7]]])
  const ahead = new QueueWorld()
  for (let count = 0; count < 40; count++) ahead.append()
  ahead.group.cancel(20, () => {})
  ahead.endTurn()
  ahead.persist()
  let live: Float64Array | null = null
  ahead.group.liveOffsets(0, 40, 40, offsets => { live = offsets })
  ahead.endTurn()
  t.ok(live!.includes(20), 'the group has to come by it')
})

t.test('Evacuation: without a leader nobody can tell', async t => {
  const world = worldOf(200, [5])
  const log = new NotingLog([segmentOf(0, 200)])
  const round = evacuationOf(log, [world]).run(NOW_MS)
  world.group.stop()
  t.equal(await round, 0)
})
