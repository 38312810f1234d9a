import fc from 'fast-check'
import t from 'tap'
import {
  BATCH_FLAG, checkBatch, readBatchHeader, RecordBatchBuilder, RecordExtrasBuilder, RecordExtrasReader,
  writeBatchHeader,
} from '@sluice/protocol'
import { forEachRecord, LOG_DIRECTORY, SMALL, TestMachine } from './log.fixture.js'
import type { LogConfig, LogSegment, OffsetRange } from './log-types.js'
import type { PartitionLog } from './partition-log.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'

const CONFIG: LogConfig = { ...SMALL, segmentBytes: SEGMENT_HEADER_BYTES + 1_500, indexIntervalBytes: 100 }

/** A batch of records that say which they are: `<first>`, `<first + 1>` … */
function batchOf (first: number, count: number, codec: 'none' | 'gzip' = 'none', producerId = -1): Buffer {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < count; index++) builder.append(`key ${first + index}`, `value ${first + index}`, 1_000)
  const producer = { producerId, producerEpoch: 0, baseSequence: first }
  return builder.build(producerId < 0 ? { codec } : { codec, producer })
}

async function fill (log: PartitionLog, batches: number, codec: 'none' | 'gzip' = 'none'): Promise<void> {
  for (let count = 0; count < batches; count++) log.append(batchOf(log.nextOffset, 3, codec), 1, log.durableOffset)
  await log.flush()
}

/** Offsets of all records that can be read; every offset of the log must be in a batch. */
async function offsetsOf (log: PartitionLog): Promise<number[]> {
  const offsets: number[] = []
  await forEachRecord(log, (records) => {
    if (records.value?.toString() !== `value ${records.offset}`) throw new Error(`another record at ${records.offset}`)
    offsets.push(records.offset)
  })
  return offsets
}

const rangeOf = ({ baseOffset: from, endOffset: to }: LogSegment): OffsetRange => ({ from, to })

t.test('Evacuation: keeps the live records at their offsets, over restarts, kills and a lost index', async t => {
  for (const codec of ['none', 'gzip'] as const) {
    const machine = new TestMachine()
    const log = await machine.open(CONFIG)
    await fill(log, 60, codec)
    const [first, second] = log.listSegments()
    const live = [first!.baseOffset + 4, first!.endOffset - 1]
    const result = await log.evacuate(rangeOf(first!), Float64Array.from(live))
    t.match(result, { segments: 1, complete: true, recordsRemoved: first!.endOffset - 2 })
    t.ok(result.bytesAfter < result.bytesBefore / 2, `${result.bytesAfter} of ${result.bytesBefore} bytes`)
    await log.evacuate(rangeOf(second!), new Float64Array(0))
    const rest = Array.from({ length: log.nextOffset - second!.endOffset }, (_, index) => second!.endOffset + index)
    t.same(await offsetsOf(log), [...live, ...rest])
    t.equal(log.listSegments()[0]!.sizeBytes, result.bytesAfter)
    for (const how of ['restart', 'kill', 'wipe'] as const) {
      if (how === 'restart') await machine.store.close()
      else machine.kill()
      if (how === 'wipe') machine.meta.wipe()
      await machine.start(how === 'restart')
      const reopened = await machine.open(CONFIG)
      t.same(reopened.quarantined, [], how)
      t.same(await offsetsOf(reopened), [...live, ...rest], `${codec}, ${how}`)
    }
  }
})

t.test('Evacuation: neither the active segment, nor above the limit, nor what is another segment by now', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  await fill(log, 40)
  const before = await offsetsOf(log)
  const segments = log.listSegments()
  const nothing = new Float64Array(0)
  t.equal((await log.evacuate(rangeOf(segments.at(-1)!), nothing)).segments, 0, 'active')
  log.retentionLimitOffset = segments[0]!.endOffset - 1
  t.equal((await log.evacuate(rangeOf(segments[0]!), nothing)).segments, 0, 'above the limit')
  log.retentionLimitOffset = -1
  t.equal((await log.evacuate({ from: 0, to: segments[1]!.endOffset }, nothing)).segments, 0, 'two segments')
  t.equal((await log.evacuate({ from: 1, to: segments[0]!.endOffset }, nothing)).segments, 0, 'within a segment')
  t.same(await offsetsOf(log), before)
  const all = Float64Array.from({ length: segments[0]!.endOffset }, (_, offset) => offset)
  t.equal((await log.evacuate(rangeOf(segments[0]!), all)).segments, 0, 'all of it is live')
  t.equal((await log.evacuate(rangeOf(segments[0]!), nothing)).segments, 1)
  t.equal((await log.evacuate(rangeOf(segments[0]!), nothing)).segments, 0, 'again')
})

t.test('Evacuation: a batch that cannot be taken apart stays whole while something in it is live', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  const encrypted = batchOf(0, 3)
  writeBatchHeader(encrypted, { ...readBatchHeader(encrypted), flags: BATCH_FLAG.encrypted })
  log.append(encrypted, 1, 0)
  await fill(log, 30)
  const [first] = log.listSegments()
  await log.evacuate(rangeOf(first!), Float64Array.from([1]))
  t.same((await offsetsOf(log)).slice(0, 4), [0, 1, 2, first!.endOffset])
  await log.evacuate(rangeOf(first!), new Float64Array(0))
  t.equal((await offsetsOf(log))[0], first!.endOffset, 'none live: no need to look into it')
})

t.test('Evacuation: a record that stays keeps its options', async t => {
  for (const codec of ['none', 'gzip'] as const) {
    const machine = new TestMachine()
    const log = await machine.open(CONFIG)
    const records = new RecordBatchBuilder()
    const extras = new RecordExtrasBuilder()
    for (let offset = 0; offset < 8; offset++) {
      records.append('key', `value ${offset}`, 1_000)
      extras.append({ lane: 100 + offset, notBefore: 5_000 + offset })
    }
    log.append(records.build({ codec, extras: extras.build() }), 1, 0)
    await fill(log, 30, codec)
    const [first] = log.listSegments()
    await log.evacuate(rangeOf(first!), Float64Array.from([5]))
    t.same((await offsetsOf(log)).slice(0, 2), [5, first!.endOffset])
    let batches = 0
    await log.replay(0, (batch) => {
      if (batches++ > 0) return
      t.equal(checkBatch(batch), null)
      const reader = new RecordExtrasReader()
      t.ok(reader.open(batch))
      t.equal(reader.rows, 8)
      t.same([reader.laneOf(5), reader.notBeforeOf(5)], [105, 5_005])
    })
  }
})

t.test('Evacuation: the last batch of each producer stays known', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  log.append(batchOf(0, 3, 'none', 77), 1, 0)
  log.append(batchOf(3, 3, 'none', 77), 1, 0)
  await fill(log, 30)
  await log.evacuate(rangeOf(log.listSegments()[0]!), new Float64Array(0))
  const last: unknown[] = []
  await log.replayHeaders(0, ({ producerId, baseOffset, baseSequence }) => {
    if (producerId === 77) last.push([baseOffset, baseSequence])
  })
  t.same(last, [[3, 3]])
})

t.test('Evacuation: a crash before each change to the disk in turn loses nothing live', async t => {
  for (const crash of ['kill', 'powerCut'] as const) {
    for (let step = 1; ; step++) {
      const machine = new TestMachine()
      const log = await machine.open(CONFIG)
      await fill(log, 30)
      const before = await offsetsOf(log)
      const segment = log.listSegments()[0]!
      const live = Float64Array.from([0, 7])
      const after = [0, 7, ...before.slice(segment.endOffset)]
      const crashed = await machine.disk.crashDuring(step, () => log.evacuate(rangeOf(segment), live))
      machine[crash]()
      if (step % 3 === 0) machine.meta.wipe()
      await machine.start(false)
      const again = await machine.open(CONFIG)
      t.same(again.quarantined, [], `${crash} ${step}`)
      const offsets = await offsetsOf(again)
      t.ok([before.join(), after.join()].includes(offsets.join()), `${crash} ${step}: as before or evacuated`)
      await again.evacuate(rangeOf(segment), live)
      t.same(await offsetsOf(again), after, `${crash} ${step}: and then evacuated`)
      t.notOk(machine.disk.paths().some(path => path.endsWith('.compacting')))
      if (!crashed) break
    }
  }
})

t.test('Evacuation: called off, or on a full disk, it leaves the segment as it was', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  await fill(log, 30)
  const before = await offsetsOf(log)
  const range = rangeOf(log.listSegments()[0]!)
  t.equal((await log.evacuate(range, new Float64Array(0), AbortSignal.abort())).complete, false)
  const clear = machine.disk.fail({ path: /compacting$/, operation: 'write', code: 'ENOSPC' })
  await t.rejects(log.evacuate(range, new Float64Array(0)), { code: 'ENOSPC' })
  clear()
  t.same(await offsetsOf(log), before)
  t.equal(log.state, 'online')
})

t.test('Evacuation: damage stays where it is, and is told', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  await fill(log, 60)
  const [segment] = log.listSegments()
  const path = machine.disk.paths().find(name => name.startsWith(LOG_DIRECTORY) && /\/0+\.log$/.test(name))!
  await machine.restart()
  machine.disk.flipBit(path, SEGMENT_HEADER_BYTES + 700)
  const reopened = await machine.open(CONFIG)
  await reopened.evacuate(rangeOf(segment!), new Float64Array(0)).catch(() => {})
  await reopened.evacuate(rangeOf(segment!), new Float64Array(0))
  t.equal(reopened.quarantined.length, 1)
  t.equal(reopened.listSegments()[0]!.sizeBytes, segment!.sizeBytes)
})

t.test('Evacuation: whatever is live is there, whatever the order of evacuations (property)', async t => {
  const rounds = fc.array(fc.tuple(fc.nat(20), fc.array(fc.nat(400), { maxLength: 6 })), { maxLength: 12 })
  await fc.assert(fc.asyncProperty(rounds, fc.constantFrom('none' as const, 'gzip' as const), async (steps, codec) => {
    const machine = new TestMachine()
    const log = await machine.open(CONFIG)
    await fill(log, 60, codec)
    let live = new Set(await offsetsOf(log))
    for (const [index, kept] of steps) {
      const segment = log.listSegments()[index]
      if (segment === undefined || !segment.sealed) continue
      const isHere = (offset: number): boolean => offset >= segment.baseOffset && offset < segment.endOffset
      const stays = kept.filter(offset => isHere(offset) && live.has(offset)).sort((a, b) => a - b)
      await log.evacuate(rangeOf(segment), Float64Array.from(stays))
      live = new Set([...live].filter(offset => !isHere(offset) || stays.includes(offset)))
      if ((await offsetsOf(log)).join() !== [...live].join()) throw new Error('something else is left')
    }
  }), { numRuns: 40, seed: 5 })
  t.pass('holds')
})
