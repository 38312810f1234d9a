// How fast the core of a queue group is by itself: receive and acknowledge in batches, every delta made and dropped.
//
//   node broker/dist/queue/queue-group.bench.js [records] [batch] [keys]
//
// One line per order, the second of two runs; nothing is stored or sent, so it bounds what a broker can do.

import { MemoryDelayStore } from './memory-delay-store.js'
import { MemoryLaneIndex } from './memory-lane-index.js'
import { QueueGroup } from './queue-group.js'
import { DEFAULT_QUEUE_SETTINGS, queueConfigOf } from './queue-settings.js'
import { ORDER, SETTLE_KIND, type Grants, type Order, type RecordFeed, type SettleItem } from './queue-types.js'

const [records, batch, keys] = [1_000_000, 500, 10_000].map((value, index) => Number(process.argv[2 + index] ?? value))

const WALL_MS = 1_700_000_000_000
const SESSION = { sessionId: 1, flags: 0 }

/** Records of keys that take turns, without any of them being stored. */
const feed: RecordFeed = {
  read (fromOffset, endOffset, facts) {
    const stop = Math.min(endOffset, fromOffset + facts.capacity - facts.count)
    for (let offset = fromOffset; offset < stop; offset++) {
      const row = facts.count++
      facts.offsets[row] = offset
      facts.lanes[row] = (offset * 7_919) % keys!
      facts.notBeforeMs[row] = 0
      facts.expiresMs[row] = 0
      facts.priorities[row] = offset % 10
      facts.sizes[row] = 100
    }
    facts.endOffset = stop
    return true
  },
  sizeOf: () => 100,
}

function runsOf (grants: Grants): SettleItem[] {
  const runs: { kind: 1, offset: number, count: number, leaseEpoch: number, leaseSequence: number }[] = []
  for (let index = 0; index < grants.count; index++) {
    const last = runs.at(-1)
    const offset = grants.offsets[index]!
    const leaseSequence = grants.leaseSequences[index]!
    const goesOn = last !== undefined && offset === last.offset + last.count &&
      leaseSequence === last.leaseSequence + last.count
    if (goesOn) last.count++
    else runs.push({ kind: SETTLE_KIND.ack, offset, count: 1, leaseEpoch: grants.leaseEpoch, leaseSequence })
  }
  return runs
}

function workOff (order: Order): string {
  const group = new QueueGroup({
    config: queueConfigOf({ ...DEFAULT_QUEUE_SETTINGS, order }),
    feed,
    laneIndex: new MemoryLaneIndex(),
    delayed: new MemoryDelayStore(),
    random: Math.random,
    host: { wake () {}, appendDeadLetter () {} },
  })
  let bytes = 0
  const endTurn = (): void => {
    bytes += group.endTurn()?.length ?? 0
    group.onDeltaDurable(group.sequence)
  }
  group.lead(1, 0, WALL_MS)
  group.onHighWatermark(records!)
  group.openSession(SESSION.sessionId, SESSION.flags)
  endTurn()
  const startedMs = performance.now()
  for (let turn = 1, settled = 0; settled < records!; turn++) {
    let runs: SettleItem[] = []
    group.tick(turn, WALL_MS + turn)
    group.heartbeat(SESSION.sessionId)
    const request = { sessionId: SESSION.sessionId, maxRecords: batch!, maxBytes: 1e9 }
    settled += group.receive(request, grants => { runs = runsOf(grants!) })
    endTurn()
    group.settle(runs, () => {})
    endTurn()
  }
  const seconds = (performance.now() - startedMs) / 1_000
  if (group.durableFloor !== records) throw new Error('not everything is settled')
  return `${order.padEnd(8)} ${(records / seconds / 1e6).toFixed(2)} M records/s, ${(bytes / records).toFixed(2)} B of deltas a record`
}

for (const order of Object.values(ORDER)) {
  workOff(order)
  console.log(workOff(order))
}
