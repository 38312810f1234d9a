// What a producer is told that sends a batch again, since it has lost the answer: what was a duplicate stays one, also
// when its id is free by then, and before anybody knows durably that it has ended.

import { MemoryMetaStore } from '@sluice/storage/testing'
import { RecordBatchBuilder, RecordExtrasBuilder, dedupKeyOf } from '@sluice/protocol'
import t from 'tap'
import type { HostedQueueGroup } from './hosted-queue-group.js'
import { QueueDedup } from './queue-dedup.js'
import type { QueuePartition } from './queue-surroundings.js'

/** The part of a group that is asked: which records have ended durably, and what is told to end. */
class TestGroup {
  readonly config = { dedupWindowMs: 1_000, dedupUntilSettled: true }
  readonly settled = new Set<number>()
  readonly ending: { offsets: readonly number[], done: (isDurable: boolean) => void }[] = []
  queueTimeMs = 0

  get idle (): object {
    return { isSettledDurably: (offset: number) => this.settled.has(offset) }
  }

  turn (): object {
    const { queueTimeMs } = this
    return {
      queueTimeMs,
      endDuplicates: (offsets: readonly number[], done: (isDurable: boolean) => void) => {
        this.ending.push({ offsets, done })
      },
    }
  }
}

async function dedupOf (group: TestGroup): Promise<QueueDedup> {
  const log = { nextOffset: 0, durableOffset: 0, replay: async () => {} }
  const partition = { log, metaKey: Buffer.from('k') } as unknown as QueuePartition
  const dedup = new QueueDedup(partition, group as unknown as HostedQueueGroup, new MemoryMetaStore())
  await dedup.restore(0)
  return dedup
}

function batchOf (dedupId: string): Buffer {
  const builder = new RecordBatchBuilder()
  const extras = new RecordExtrasBuilder()
  builder.append(null, 'v', 1_700_000_000_000)
  extras.append({ dedupKey: dedupKeyOf(dedupId) })
  return builder.build({ extras: extras.build()! })
}

t.test('Queue dedup: a duplicate stays one for who asks again, though its id is free and its end not durable', async t => {
  const group = new TestGroup()
  const dedup = await dedupOf(group)
  const batch = batchOf('x')
  dedup.onAppended(batch, 0, [])
  const duplicates = dedup.duplicatesIn(batch, 1)
  t.strictSame(duplicates, [{ index: 0, offset: 0 }])
  dedup.onAppended(batch, 1, duplicates)
  group.settled.add(0)
  t.strictSame(dedup.duplicatesIn(batch, 2), [], 'the id is free for others')
  t.strictSame(dedup.duplicatesIn(batch, 1, true), [{ index: 0, offset: 0 }])
  const told: boolean[] = []
  dedup.whenEnded(1, duplicates, isDurable => told.push(isDurable))
  dedup.onHighWatermark(2)
  t.strictSame([group.ending[0]!.offsets, told], [[1], []], 'nobody is told before it has ended durably')
  dedup.whenEnded(1, duplicates, isDurable => told.push(isDurable))
  group.settled.add(1)
  group.ending[0]!.done(true)
  t.strictSame(told, [true, true])
  dedup.whenEnded(1, duplicates, isDurable => told.push(isDurable))
  t.strictSame(told, [true, true, true], 'at once, from then on')
  t.strictSame(dedup.duplicatesIn(batch, 1, true), [{ index: 0, offset: 1 }])
})

t.test('Queue dedup: what has ended is no news, though the id is taken for it still', async t => {
  const group = new TestGroup()
  group.config.dedupUntilSettled = false
  const dedup = await dedupOf(group)
  const batch = batchOf('x')
  dedup.onAppended(batch, 0, [])
  t.strictSame(dedup.duplicatesIn(batch, 0, true), [], 'a record like any other')
  group.settled.add(0)
  t.strictSame(dedup.duplicatesIn(batch, 0, true), [{ index: 0, offset: 0 }], 'maybe as a duplicate, before a restart')
  t.strictSame(dedup.duplicatesIn(batch, 1), [{ index: 0, offset: 0 }])
})

t.test('Queue dedup: who waits for the end of duplicates hears when nobody will know it', async t => {
  const dedup = await dedupOf(new TestGroup())
  const batch = batchOf('x')
  dedup.onAppended(batch, 0, [])
  const duplicates = dedup.duplicatesIn(batch, 1)
  dedup.onAppended(batch, 1, duplicates)
  const told: boolean[] = []
  dedup.whenEnded(1, duplicates, isDurable => told.push(isDurable))
  dedup.close()
  t.strictSame(told, [false])
})

t.test('Queue dedup: an earlier record is no duplicate of a later one (the id was free by then, and the batch comes again)', async t => {
  const group = new TestGroup()
  group.config.dedupUntilSettled = false
  const dedup = await dedupOf(group)
  const batch = batchOf('x')
  dedup.onAppended(batch, 0, [])
  group.queueTimeMs = 2_000
  t.strictSame(dedup.duplicatesIn(batch, 1), [], 'the window is over')
  dedup.onAppended(batch, 1, [])
  t.strictSame(dedup.duplicatesIn(batch, 0, true), [])
  t.strictSame(dedup.duplicatesIn(batch, 1, true), [])
})

t.test('Queue dedup: what is still to be handed out is no duplicate, though another record has its id (a leader before did not end it)', async t => {
  const group = new TestGroup()
  group.config.dedupUntilSettled = false
  const dedup = await dedupOf(group)
  const batch = batchOf('x')
  dedup.onAppended(batch, 0, [])
  t.strictSame(dedup.duplicatesIn(batch, 1), [{ index: 0, offset: 0 }], 'what comes now is one')
  t.strictSame(dedup.duplicatesIn(batch, 1, true), [], 'what is stored and waits for its turn is none')
})
