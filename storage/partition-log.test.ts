import t from 'tap'
import { checkBatch, readBatchHeader } from '@sluice/protocol'
import type { LogReadFailure } from './log-read-failure.js'
import { append, LOG_DIRECTORY, LOG_ID, makeBatch, readAll, SMALL, splitBatches, TestMachine } from './log.fixture.js'

t.test('Log: an empty one costs no file and reads as empty', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  t.equal(log.nextOffset, 0)
  t.same(await log.readSlice(0, 100, 0), { buffers: [], sizeBytes: 0, baseOffset: 0, nextOffset: 0 })
  await machine.store.close()
  t.same(machine.disk.paths().filter(path => path.endsWith('.log')), [])
})

t.test('Log: what is appended is stamped, durable and read back, from memory and from the disk', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  const bytesOf: Buffer[] = []
  for (let index = 0; index < 100; index++) {
    const batch = makeBatch(`b${index}`, 1 + index % 3, 1000, 50)
    bytesOf.push(batch)
    const offset = log.nextOffset
    t.equal(log.append(batch, 3, log.durableOffset), offset)
    if (index % 7 === 0) await log.flush()
  }
  await log.flush()
  t.equal(log.durableOffset, log.nextOffset)
  t.ok(log.segmentCount > 2, 'several segments')
  const check = async (): Promise<void> => {
    const log = await machine.open()
    const batches = await readAll(log)
    t.equal(batches.length, 100)
    let prevCrc = 0
    for (const [index, batch] of batches.entries()) {
      t.equal(checkBatch(batch), null)
      t.ok(batch.subarray(32).equals(bytesOf[index]!.subarray(32)))
      const header = readBatchHeader(batch)
      t.equal(header.prevCrc, prevCrc)
      prevCrc = header.crc
    }
  }
  await check()
  await machine.restart()
  await check()
  t.notOk(machine.kinds().includes('recovered'), 'a clean stop needs no recovery')
  machine.kill()
  await machine.start(false)
  await check()
})

t.test('Log: an acknowledged batch survives a power cut, one that is not synced does not appear elsewhere', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  await append(log, makeBatch('one'))
  await append(log, makeBatch('two'))
  log.append(makeBatch('three'), 1, log.durableOffset)
  machine.powerCut({ keep: 'none', names: 'none', inFlight: 'lost' })
  await machine.start(false)
  const again = await machine.open()
  t.equal(again.nextOffset, 2)
  t.equal((await readAll(again)).length, 2)
  t.equal(await append(again, makeBatch('four')), 2)
})

t.test('Log: reads by the limits that they are given', async t => {
  const machine = new TestMachine()
  const log = await machine.open({ ...SMALL, segmentBytes: 1 << 20 })
  for (let index = 0; index < 10; index++) await append(log, makeBatch(`b${index}`, 2))
  const size = makeBatch('b0', 2).length
  for (const cached of [true, false]) {
    if (!cached) await machine.restart()
    const log = await machine.open({ ...SMALL, segmentBytes: 1 << 20 })
    const whole = await log.readSlice(3, 3 * size, 20)
    t.equal(whole.baseOffset, 2, 'begins with the batch that holds the offset')
    t.equal(splitBatches(whole).length, 3)
    t.equal(whole.nextOffset, 8)
    t.equal((await log.readSlice(0, 1, 20)).sizeBytes, size, 'at least one batch')
    t.equal((await log.readSlice(0, 1000, 5)).nextOffset, 4, 'none that ends above the limit')
    t.equal((await log.readSlice(4, 1000, 5)).sizeBytes, 0)
    const failure = await log.readSlice(21, 1000, 21).catch((error: LogReadFailure) => error.reason)
    t.same(failure, { kind: 'out-of-range', logStartOffset: 0, nextOffset: 20 })
  }
  t.same(machine.disk.paths().filter(path => path.startsWith(LOG_DIRECTORY)).length, 1)
})

t.test('Log: is deleted while what is written is being synced (flush interval)', async t => {
  const machine = new TestMachine()
  const log = await machine.open({ ...SMALL, flush: 'interval', flushIntervalMs: 200 })
  await append(log, makeBatch('one'))
  log.append(makeBatch('two'), 1, log.durableOffset)
  while (log.acknowledgedOffset < 2) await new Promise(resolve => setImmediate(resolve))
  const release = machine.disk.hold({ operation: 'sync' })
  machine.time.advance(200)
  await new Promise(resolve => setImmediate(resolve))
  const deleted = machine.store.deleteLog(LOG_ID)
  await new Promise(resolve => setImmediate(resolve))
  release()
  await deleted
  t.same(machine.disk.paths().filter(path => path.startsWith(LOG_DIRECTORY)), [])
})

t.test('Log: a flush ends with the log that is deleted meanwhile (the disk is slow), and holds up nobody', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  await append(log, makeBatch('one'))
  const release = machine.disk.hold({ operation: 'write' })
  log.append(makeBatch('two'), 1, log.durableOffset)
  const flushed = log.flush()
  await new Promise(resolve => setImmediate(resolve))
  const deleted = machine.store.deleteLog(LOG_ID)
  await new Promise(resolve => setImmediate(resolve))
  release()
  await Promise.all([flushed, deleted])
  t.same(machine.disk.paths().filter(path => path.startsWith(LOG_DIRECTORY)), [])
})
