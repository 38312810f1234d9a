import fc from 'fast-check'
import t, { type Test } from 'tap'
import { RecordBatchBuilder } from '@sluice/protocol'
import { forEachRecord, SMALL, TestMachine } from './log.fixture.js'
import type { LogConfig } from './log-types.js'
import type { PartitionLog } from './partition-log.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'

const CONFIG: LogConfig = {
  ...SMALL, segmentBytes: SEGMENT_HEADER_BYTES + 500, cleanup: { delete: false, compact: true }, indexIntervalBytes: 100
}

interface Entry { key: string | null, value: string | null }

/** What a reader of the log from its start has seen: every record with its offset, and the newest of each key. */
interface Contents { records: Map<number, Entry>, newest: Map<string, string> }

function batchOf (entries: readonly Entry[], codec: 'none' | 'gzip' = 'none', producer?: number): Buffer {
  const builder = new RecordBatchBuilder()
  for (const { key, value } of entries) builder.append(key, value, 1000)
  return builder.build(producer === undefined
    ? { codec }
    : { codec, producer: { producerId: producer, producerEpoch: 0, baseSequence: 0 } })
}

async function contentsOf (log: PartitionLog): Promise<Contents> {
  const contents: Contents = { records: new Map(), newest: new Map() }
  await forEachRecord(log, (records) => {
    const key = records.key?.toString() ?? null
    const value = records.value?.toString() ?? null
    contents.records.set(records.offset, { key, value })
    if (key === null) return
    if (value === null) contents.newest.delete(key)
    else contents.newest.set(key, value)
  })
  return contents
}

async function appendAll (log: PartitionLog, batches: readonly Buffer[]): Promise<void> {
  for (const batch of batches) log.append(batch, 1, log.durableOffset)
  await log.flush()
}

/** After a compaction: the newest of each key as before, and all that is left is where it was. */
function checkSame (t: Test, before: Contents, after: Contents, label: string): void {
  t.same([...after.newest].sort(), [...before.newest].sort(), `${label}: newest of each key`)
  for (const [offset, entry] of after.records) t.same(entry, before.records.get(offset), `${label}: offset ${offset}`)
  for (const [offset, entry] of before.records) {
    if (entry.key === null) t.ok(after.records.has(offset), `${label}: keyless ${offset}`)
  }
}

t.test('Compaction: goes on where records were deleted up to the middle of a segment', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  for (let round = 0; round < 40; round++) {
    await appendAll(log, [batchOf([{ key: `k${round % 4}`, value: `v${round}` }, { key: 'always', value: `${round}` }])])
  }
  const second = log.listSegments()[1]!
  await log.setStartOffset(second.baseOffset + 2)
  await log.applyRetention()
  t.equal(log.listSegments()[0]!.baseOffset, second.baseOffset, 'the log start lies within its first segment')
  const before = await contentsOf(log)
  const { complete, recordsRemoved } = await log.compact()
  t.ok(complete)
  t.ok(recordsRemoved > 20)
  t.same([...(await contentsOf(log)).newest].sort(), [...before.newest].sort())
  await machine.restart()
  t.same([...(await contentsOf(await machine.open(CONFIG))).newest].sort(), [...before.newest].sort())
})

t.test('Compaction: keeps the newest record of each key at its offset, and every record without a key', async t => {
  for (const codec of ['none', 'gzip'] as const) {
    const machine = new TestMachine()
    const log = await machine.open(CONFIG)
    for (let round = 0; round < 40; round++) {
      await appendAll(log, [batchOf([
        { key: `k${round % 4}`, value: `v${round}` },
        { key: 'always', value: `a${round}` },
        { key: round % 10 === 0 ? null : `once${round}`, value: 'x' },
      ], codec)])
    }
    const before = await contentsOf(log)
    const result = await log.compact()
    t.ok(result.complete)
    t.ok(result.recordsRemoved > 30, `${result.recordsRemoved} removed`)
    t.ok(result.bytesAfter < result.bytesBefore)
    const after = await contentsOf(log)
    t.ok(after.records.size < before.records.size)
    checkSame(t, before, after, codec)
    const again = await log.compact()
    t.equal(again.segments, 0, 'nothing is left to do')
    for (const how of ['restart', 'kill', 'wipe'] as const) {
      if (how === 'restart') await machine.store.close()
      else machine.kill()
      if (how === 'wipe') machine.meta.wipe()
      await machine.start(how === 'restart')
      const reopened = await machine.open(CONFIG)
      t.same(reopened.quarantined, [])
      checkSame(t, before, await contentsOf(reopened), how)
      for (let offset = 0; offset < reopened.nextOffset; offset += 7) {
        const slice = await reopened.readSlice(offset, 1, reopened.nextOffset)
        t.ok(slice.baseOffset <= offset && slice.nextOffset > offset)
      }
    }
  }
})

t.test('Compaction: a tombstone hides what is older, stays for its time, then goes', async t => {
  const machine = new TestMachine()
  const config = { ...CONFIG, tombstoneRetentionMs: 10_000 }
  const log = await machine.open(config)
  const fill = (name: string): Buffer[] =>
    Array.from({ length: 12 }, (_, index) => batchOf([{ key: `${name}${index}`, value: 'some filling bytes' }]))
  await appendAll(log, [batchOf([{ key: 'gone', value: 'secret' }]), ...fill('a')])
  await appendAll(log, [batchOf([{ key: 'gone', value: null }]), ...fill('b')])
  await log.compact()
  const tombstones = async (): Promise<number> => {
    const { records } = await contentsOf(log)
    return [...records.values()].filter(entry => entry.key === 'gone').length
  }
  const { records } = await contentsOf(log)
  t.notOk([...records.values()].some(entry => entry.value === 'secret'))
  t.equal(await tombstones(), 1)
  machine.time.nowMs += 9_000
  await log.compact()
  t.equal(await tombstones(), 1)
  machine.time.nowMs += 2_000
  await log.compact()
  t.equal(await tombstones(), 0)
})

t.test('Compaction: the last batch of each producer stays known', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  for (let round = 0; round < 30; round++) {
    await appendAll(log, [batchOf([{ key: 'k', value: `some bytes ${round}` }], 'none', round < 5 ? 77 : undefined)])
  }
  const lastOf = async (): Promise<number> => {
    let last = -1
    await log.replayHeaders(0, header => { if (header.producerId === 77) last = header.baseOffset })
    return last
  }
  t.equal(await lastOf(), 4)
  await log.compact()
  t.equal(await lastOf(), 4)
  await appendAll(log, Array.from({ length: 20 }, () => batchOf([{ key: 'k', value: 'some other bytes' }])))
  await log.compact()
  t.equal(await lastOf(), 4)
})

t.test('Compaction: with memory for few keys it goes round by round to the same end', async t => {
  const results: Contents[] = []
  for (const compactionBytes of [1, 500, 1 << 20]) {
    const machine = new TestMachine({ compactionBytes })
    const log = await machine.open(CONFIG)
    for (let round = 0; round < 60; round++) {
      await appendAll(log, [batchOf([{ key: `k${round % 13}`, value: `v${round}` }, { key: `l${round % 7}`, value: '' }])])
    }
    t.ok((await log.compact()).complete)
    results.push(await contentsOf(log))
  }
  t.same(results[0], results[2])
  t.same(results[1], results[2])
})

t.test('Compaction: neither above the high watermark, nor what is too new, nor the active segment', async t => {
  const machine = new TestMachine()
  const log = await machine.open({ ...CONFIG, minCompactionLagMs: 5000 })
  const batches = Array.from({ length: 40 }, (_, index) => batchOf([{ key: 'k', value: `some value ${index}` }]))
  await appendAll(log, batches)
  t.equal((await log.compact()).segments, 0, 'too new')
  machine.time.nowMs += 6000
  log.retentionLimitOffset = 0
  t.equal((await log.compact()).segments, 0, 'not committed')
  log.retentionLimitOffset = -1
  t.ok((await log.compact()).segments > 0)
  t.equal((await contentsOf(log)).newest.get('k'), 'some value 39')
})

t.test('Compaction: called off it leaves everything as sound as before', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  await appendAll(log, Array.from({ length: 60 }, (_, index) => batchOf([{ key: 'k', value: `some value ${index}` }])))
  const before = await contentsOf(log)
  t.equal((await log.compact(AbortSignal.abort())).complete, false)
  checkSame(t, before, await contentsOf(log), 'called off')
  t.notOk(machine.disk.paths().some(path => path.endsWith('.compacting')))
})

t.test('Compaction: readers under way see old or new, never damage', async t => {
  const machine = new TestMachine()
  const config = { ...CONFIG, segmentBytes: SEGMENT_HEADER_BYTES + 3000 }
  let log = await machine.open(config)
  await appendAll(log, Array.from({ length: 200 }, (_, i) => batchOf([{ key: `k${i % 3}`, value: `some value ${i}` }])))
  await machine.restart()
  log = await machine.open(config)
  const readers = Array.from({ length: 8 }, async () => {
    for (let round = 0; round < 4; round++) t.equal((await contentsOf(log)).newest.size, 3)
  })
  t.ok((await log.compact()).segments > 0)
  await Promise.all(readers)
  t.same(log.quarantined, [])
})

t.test('Compaction: a crash before each change to the disk in turn loses nothing', async t => {
  for (const crash of ['kill', 'powerCut'] as const) {
    for (let step = 1; ; step++) {
      const machine = new TestMachine()
      const log = await machine.open(CONFIG)
      await appendAll(log, Array.from({ length: 40 }, (_, i) => batchOf([
        { key: `k${i % 3}`, value: `some value ${i}` }, { key: `n${i}`, value: '' }])))
      const before = await contentsOf(log)
      const crashed = await machine.disk.crashDuring(step, () => log.compact())
      machine[crash]()
      if (step % 3 === 0) machine.meta.wipe()
      await machine.start(false)
      const again = await machine.open(CONFIG)
      t.same(again.quarantined, [], `${crash} ${step}`)
      t.equal(again.nextOffset, 80)
      checkSame(t, before, await contentsOf(again), `${crash} ${step}`)
      t.ok((await again.compact()).complete)
      checkSame(t, before, await contentsOf(again), `${crash} ${step}, compacted`)
      t.notOk(machine.disk.paths().some(path => path.endsWith('.compacting')))
      if (!crashed) break
    }
  }
})

t.test('Compaction: a full disk leaves the segment as it was', async t => {
  const machine = new TestMachine()
  const log = await machine.open(CONFIG)
  await appendAll(log, Array.from({ length: 40 }, (_, i) => batchOf([{ key: 'k', value: `some value ${i}` }])))
  const before = await contentsOf(log)
  const clear = machine.disk.fail({ path: /compacting$/, operation: 'write', code: 'ENOSPC' })
  await t.rejects(log.compact(), { code: 'ENOSPC' })
  clear()
  checkSame(t, before, await contentsOf(log), 'full')
  t.equal(log.state, 'online')
  t.ok((await log.compact()).segments > 0)
})

t.test('Compaction: any history keeps the newest of each key (property)', async t => {
  const entryArbitrary = fc.record({
    key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { freq: 8 }),
    value: fc.option(fc.string({ maxLength: 30 }), { freq: 5 }),
  })
  const stepArbitrary = fc.oneof(
    { weight: 10, arbitrary: fc.array(entryArbitrary, { minLength: 1, maxLength: 4 }) },
    { weight: 2, arbitrary: fc.constant('compact' as const) },
    { weight: 1, arbitrary: fc.constant('powerCut' as const) })
  await fc.assert(fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 60 }), async (steps) => {
    const machine = new TestMachine()
    let log = await machine.open(CONFIG)
    const newest = new Map<string, string>()
    for (const step of steps) {
      if (step === 'compact') {
        machine.time.nowMs += 3600_000 * 20
        await log.compact()
      } else if (step === 'powerCut') {
        machine.powerCut()
        await machine.start(false)
        log = await machine.open(CONFIG)
      } else {
        await appendAll(log, [batchOf(step)])
        for (const { key, value } of step) {
          if (key === null) continue
          if (value === null) newest.delete(key)
          else newest.set(key, value)
        }
      }
    }
    await log.compact()
    const after = await contentsOf(log)
    t.same([...after.newest].sort(), [...newest].sort())
    if (!t.passing()) throw new Error('see above')
  }), { numRuns: 60, seed: 11 })
})
