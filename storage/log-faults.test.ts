import t from 'tap'
import { readBatchHeader } from '@sluice/protocol'
import { append, LOG_DIRECTORY, makeBatch, readAll, SMALL, TestMachine } from './log.fixture.js'
import type { PartitionLog } from './partition-log.js'
import { SEGMENT_HEADER_BYTES } from './segment-header.js'
import { dumpSegment } from './segment-inspection.js'

const offsetsOf = async (log: PartitionLog): Promise<number[]> =>
  (await readAll(log)).map(batch => readBatchHeader(batch).baseOffset)

async function turns (count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>(resolve => { setImmediate(resolve) })
}

/** Moves time until something holds, a bounded number of times. */
async function until (machine: TestMachine, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !holds(); turn++) {
    machine.time.advance(100)
    await turns(5)
  }
}

for (const code of ['ENOSPC', 'EDQUOT', 'EROFS']) {
  t.test(`Faults: a write refused with ${code} in its middle is tried again until it works`, async t => {
    const machine = new TestMachine()
    const log = await machine.open()
    await append(log, makeBatch('first'))
    const states: string[] = []
    log.onStateChange = log => states.push(log.state)
    const clear = machine.disk.fail({ path: /\.log$/, operation: 'write', code, writtenBytes: 30 })
    log.append(makeBatch('second'), 1, log.durableOffset)
    log.append(makeBatch('third'), 1, log.durableOffset)
    await until(machine, () => states.length > 0)
    t.equal(log.state, 'readOnly')
    t.match(log.stateReason, code)
    t.notOk(log.hasRoom(10))
    t.equal(log.durableOffset, 1, 'nothing of it is acknowledged')
    t.same(await offsetsOf(log), [0, 1, 2], 'what is appended is still there to be replicated')
    clear()
    await until(machine, () => log.state === 'online')
    await log.flush()
    t.same(states, ['readOnly', 'online'])
    t.equal(log.durableOffset, 3)
    t.equal(await append(log, makeBatch('fourth')), 3)
    machine.powerCut()
    await machine.start(false)
    t.same(await offsetsOf(await machine.open()), [0, 1, 2, 3])
  })
}

t.test('Faults: no handles left to open the next segment (EMFILE)', async t => {
  const machine = new TestMachine()
  const log = await machine.open({ ...SMALL, segmentBytes: SEGMENT_HEADER_BYTES + 200 })
  await append(log, makeBatch('first', 1, 1000, 60))
  machine.disk.setOpenLimit(machine.disk.openCount)
  log.append(makeBatch('second', 1, 1000, 60), 1, 1)
  await until(machine, () => log.state !== 'online')
  t.equal(log.state, 'readOnly')
  t.match(log.stateReason, 'EMFILE')
  machine.disk.setOpenLimit(100)
  await until(machine, () => log.state === 'online')
  await log.flush()
  t.same(await offsetsOf(log), [0, 1])
  t.equal(log.segmentCount, 2)
})

t.test('Faults: a disk that is full while a segment is made', async t => {
  for (const operation of ['write', 'sync', 'truncate', 'syncDirectory', 'makeDirectory'] as const) {
    for (const times of [1, 3]) {
      const machine = new TestMachine()
      const log = await machine.open()
      machine.disk.fail({ path: LOG_DIRECTORY, operation, code: 'ENOSPC', times })
      log.append(makeBatch('first'), 1, 0)
      await until(machine, () => log.state === 'failed' || log.durableOffset === 1)
      if (operation === 'sync' || operation === 'syncDirectory') t.equal(log.state, 'failed', `${operation} never again`)
      else t.equal(log.durableOffset, 1, operation)
    }
  }
})

for (const [operation, code] of [['sync', 'EIO'], ['write', 'EIO'], ['sync', 'ENOSPC']] as const) {
  t.test(`Faults: ${code} of a ${operation} ends the log until a restart`, async t => {
    const machine = new TestMachine()
    const log = await machine.open()
    await append(log, makeBatch('first'))
    machine.disk.fail({ path: /\.log$/, operation, code, times: 1, dirty: 'forgotten' })
    log.append(makeBatch('second'), 1, 1)
    await turns(20)
    t.equal(log.state, 'failed')
    t.notOk(log.hasRoom(1))
    t.throws(() => log.append(makeBatch('third'), 1, 1))
    await until(machine, () => false)
    t.equal(log.durableOffset, 1, 'nothing more is acknowledged, nothing tried again')
    const slice = await log.readSlice(0, 1000, 2)
    t.equal(slice.nextOffset, 1, 'what is durable can be read')
    t.ok(machine.kinds().includes('failed'))
    await machine.store.close()
    machine.powerCut()
    await machine.start()
    t.notOk(machine.store.cleanStart)
    const again = await machine.open()
    t.ok(again.nextOffset >= 1)
    t.equal(again.state, 'online')
    t.same(again.quarantined, [])
  })
}

t.test('Faults: two commits under way advance in order, whichever comes back first', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  await append(log, makeBatch('first'))
  const release = machine.disk.hold({ path: /\.log$/, operation: 'sync' })
  log.append(makeBatch('second'), 1, 1)
  await turns(10)
  log.append(makeBatch('third'), 1, 1)
  await turns(10)
  log.append(makeBatch('fourth'), 1, 1)
  await turns(10)
  t.equal(log.writtenOffset, 3, 'two commits written, the third waits')
  t.equal(log.durableOffset, 1)
  const seen: number[] = []
  log.onAdvance = log => seen.push(log.durableOffset)
  release()
  await log.flush()
  t.same([...seen].sort((a, b) => a - b), seen)
  t.equal(log.durableOffset, 4)
})

t.test('Faults: what is unwritten is bounded, and a batch above the bound still goes alone', async t => {
  const machine = new TestMachine({ unwrittenBytesPerLog: 1000 })
  const log = await machine.open({ ...SMALL, segmentBytes: 1 << 20 })
  t.ok(log.hasRoom(5000))
  log.append(makeBatch('large', 1, 1000, 5000), 1, 0)
  t.notOk(log.hasRoom(10))
  await log.flush()
  t.ok(log.hasRoom(10))
  t.ok(log.hasRoom(5000))
})

t.test('Faults: a read that fails says so and harms nothing (EIO)', async t => {
  const machine = new TestMachine()
  await append(await machine.open(), makeBatch('first'))
  await machine.restart()
  const log = await machine.open()
  const clear = machine.disk.fail({ path: /\.log$/, operation: 'read', code: 'EIO' })
  await t.rejects(log.readSlice(0, 100, 1), /EIO/)
  clear()
  t.same(await offsetsOf(log), [0])
})

t.test('Faults: flush by interval syncs by its timer, and none only when a segment is closed', async t => {
  for (const flush of ['interval', 'none'] as const) {
    const machine = new TestMachine()
    const log = await machine.open({ ...SMALL, flush, flushIntervalMs: 50 })
    log.append(makeBatch('first'), 1, 0)
    await turns(30)
    t.equal(log.acknowledgedOffset, 1)
    t.equal(log.durableOffset, 0, flush)
    machine.time.advance(60)
    await turns(10)
    t.equal(log.durableOffset, flush === 'interval' ? 1 : 0)
    await machine.store.close()
    machine.powerCut({ keep: 'none', names: 'none' })
    await machine.start()
    t.equal((await machine.open()).nextOffset, 1, 'a clean stop syncs')
  }
})

t.test('Faults: an error of the meta store costs a scan, not the log', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  machine.meta.failCommits(new Error('map full'))
  for (let index = 0; index < 50; index++) await append(log, makeBatch(`b${index}`, 1, 1000, 200))
  t.ok(log.segmentCount > 1)
  t.equal(log.durableOffset, 50)
  machine.meta.failCommits(null)
  machine.powerCut()
  await machine.start(false)
  t.equal((await readAll(await machine.open())).length, 50)
})

t.test('Faults: zeros are written ahead of a busy log only, are cut when its segment is closed, and never harm', async t => {
  for (const preallocateBytes of [0, 4096]) {
    const machine = new TestMachine({ preallocateBytes })
    const config = { ...SMALL, segmentBytes: 16_384 }
    const log = await machine.open(config)
    await append(log, makeBatch('idle'))
    const path = `${LOG_DIRECTORY}/00000000000000000000.log`
    const endOf = (): number => machine.disk.contents(path).length
    t.equal(endOf(), SEGMENT_HEADER_BYTES + makeBatch('idle').length, 'an idle log costs its own bytes only')
    for (let index = 0; index < 20; index++) await append(log, makeBatch(`b${index}`, 1, 1000, 100))
    await turns(50)
    const written = SEGMENT_HEADER_BYTES + log.sizeBytes
    if (preallocateBytes === 0) t.equal(endOf(), written)
    else t.ok(endOf() > written, 'zeros ahead')
    for (let index = 0; index < 60; index++) await append(log, makeBatch(`c${index}`, 1, 1000, 100))
    t.ok(log.segmentCount > 1)
    const sealed = await dumpSegment(machine.disk, path, () => {})
    t.equal(endOf(), sealed.endPosition, 'cut to its last batch')
    t.equal((await readAll(log)).length, 81)
    machine.kill()
    await machine.start(false)
    t.equal((await readAll(await machine.open(config))).length, 81)
  }
})

t.test('Faults: of many small commits in a short time little is written ahead, of few in a long time nothing', async t => {
  const machine = new TestMachine({ preallocateBytes: 4 * 1024 * 1024 })
  const log = await machine.open({ ...SMALL, segmentBytes: 64 * 1024 * 1024 })
  const aheadBytes = (): number =>
    machine.disk.contents(`${LOG_DIRECTORY}/00000000000000000000.log`).length - SEGMENT_HEADER_BYTES - log.sizeBytes
  for (let index = 0; index < 100; index++) {
    await append(log, makeBatch(`slow ${index}`))
    machine.time.advance(50)
  }
  t.equal(aheadBytes(), 0)
  machine.time.advance(5_000)
  for (let index = 0; index < 100; index++) await append(log, makeBatch(`fast ${index}`))
  await turns(50)
  t.ok(aheadBytes() > 0 && aheadBytes() <= 512 * 1024, `${aheadBytes()} bytes`)
  t.equal((await readAll(log)).length, 200)
})

t.test('Faults: a disk that is full for zeros is not full for batches', async t => {
  const machine = new TestMachine({ preallocateBytes: 64 * 1024 })
  const log = await machine.open({ ...SMALL, segmentBytes: 1 << 20 })
  machine.disk.setCapacity(60 * 1024)
  for (let index = 0; index < 100; index++) await append(log, makeBatch(`b${index}`, 1, 1000, 300))
  t.equal(log.durableOffset, 100)
  t.equal(log.state, 'online')
})
