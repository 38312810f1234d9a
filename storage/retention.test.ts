import t from 'tap'
import { append, LOG_DIRECTORY, makeBatch, SMALL, splitBatches, TestMachine } from './log.fixture.js'
import type { LogReadFailure } from './log-read-failure.js'

async function filled (machine: TestMachine): Promise<Awaited<ReturnType<TestMachine['open']>>> {
  const log = await machine.open()
  for (let index = 0; index < 200; index++) {
    machine.time.nowMs += 1000
    // The producers' clocks say anything: retention does not listen.
    await append(log, makeBatch(`b${index}`, 1, index % 2 === 0 ? 0 : 9e14, 60))
  }
  return log
}

t.test('Retention: by age, from the broker\'s own clock', async t => {
  const machine = new TestMachine()
  const log = await filled(machine)
  const segments = log.segmentCount
  t.same(await log.applyRetention(), { segments: 0, bytes: 0, logStartOffset: 0 }, 'off by default')
  const moved: number[] = []
  log.onStartOffsetChange = log => moved.push(log.logStartOffset)
  log.configure({ ...SMALL, retentionMs: 100_000 })
  const result = await log.applyRetention()
  t.ok(result.segments > 0 && result.segments < segments)
  t.ok(log.logStartOffset > 50 && log.logStartOffset <= 101, `starts at ${log.logStartOffset}`)
  t.same(moved, [log.logStartOffset])
  const reason = await log.readSlice(3, 100, 200).catch((error: LogReadFailure) => error.reason)
  t.same(reason, { kind: 'out-of-range', logStartOffset: log.logStartOffset, nextOffset: 200 })
  t.equal(machine.disk.paths().filter(path => path.startsWith(LOG_DIRECTORY)).length, log.segmentCount)
})

t.test('Retention: even the active segment goes, and offsets go on after it, whatever is lost', async t => {
  const machine = new TestMachine()
  const log = await filled(machine)
  log.configure({ ...SMALL, retentionMs: 1000 })
  machine.time.nowMs += 10_000
  await log.applyRetention()
  t.equal(log.logStartOffset, 200)
  t.equal(log.sizeBytes, 0)
  for (const wiped of [false, true]) {
    await machine.store.close()
    if (wiped) machine.meta.wipe()
    await machine.start()
    const again = await machine.open()
    t.equal(machine.store.cleanStart, !wiped)
    t.equal(again.nextOffset, 200)
    t.equal(again.logStartOffset, 200)
  }
  t.equal(await append(await machine.open(), makeBatch('next')), 200)
})

t.test('Retention: by size, never the active segment, never above the high watermark', async t => {
  const machine = new TestMachine()
  const log = await filled(machine)
  log.configure({ ...SMALL, retentionBytes: 6000 })
  log.retentionLimitOffset = 40
  await log.applyRetention()
  t.ok(log.logStartOffset <= 40)
  log.retentionLimitOffset = -1
  await log.applyRetention()
  t.ok(log.sizeBytes >= 6000 && log.sizeBytes < 6000 + SMALL.segmentBytes)
  log.configure({ ...SMALL, retentionBytes: 0 })
  await log.applyRetention()
  t.equal(log.segmentCount, 1)
  t.ok(log.logStartOffset < 200)
})

t.test('Retention: a cleanup that only compacts removes nothing but what was deleted by request', async t => {
  const machine = new TestMachine()
  const log = await filled(machine)
  log.configure({ ...SMALL, retentionMs: 1, retentionBytes: 1, cleanup: { delete: false, compact: true } })
  await log.applyRetention()
  t.equal(log.logStartOffset, 0)
  await log.setStartOffset(77)
  t.equal(log.logStartOffset, 77)
  const before = log.segmentCount
  await log.applyRetention()
  t.ok(log.segmentCount < before)
  t.equal(log.logStartOffset, 77)
  machine.powerCut()
  await machine.start(false)
  t.equal((await machine.open()).logStartOffset, 77)
})

t.test('Retention: a reader that holds a slice of a segment that goes keeps it', async t => {
  const machine = new TestMachine()
  await filled(machine)
  await machine.restart()
  const log = await machine.open()
  const hold = machine.disk.hold({ operation: 'read' })
  const reading = log.readSlice(0, 1000, 200)
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => { setImmediate(resolve) })
  await log.setStartOffset(150)
  await log.applyRetention()
  hold()
  const outcome = await reading.then(splitBatches, (error: LogReadFailure) => error.reason.kind)
  t.ok(outcome === 'out-of-range' || outcome.length > 0)
})

t.test('Time: the first record at or after a time, also where timestamps do not rise', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  const times: number[] = []
  for (let index = 0; index < 300; index++) {
    const timeMs = 1_000_000 + index * 10 + (index % 5 === 0 ? -500 : 0)
    times.push(timeMs, timeMs + 1)
    await append(log, makeBatch(`b${index}`, 2, timeMs, 20))
  }
  const find = (timeMs: number) => new Promise<number | null>((resolve) => {
    machine.store.openLog(log.id, SMALL).then(log => log.findOffsetByTime(timeMs, (error, found) => {
      t.equal(error, null)
      resolve(found === null ? null : found.offset)
    }))
  })
  for (const restarted of [false, true]) {
    if (restarted) await machine.restart()
    for (const timeMs of [0, 1_000_000, 1_000_001, 1_001_234, 1_002_000, 1_002_981, 1_002_991, 2_000_000]) {
      const expected = times.findIndex(each => each >= timeMs)
      t.equal(await find(timeMs), expected < 0 ? null : expected, `${timeMs}`)
    }
  }
})
