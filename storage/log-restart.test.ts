// A log that goes on elsewhere, and what recovery and reading make of what a replica meets.

import t from 'tap'
import { BATCH_POSITION, readBatchHeader } from '@sluice/protocol'
import { append, LOG_DIRECTORY, makeBatch, readAll, SMALL, TestMachine } from './log.fixture.js'

t.test('Restart: an emptied log goes on at another offset, behind a batch that it never had', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  for (let index = 0; index < 20; index++) await append(log, makeBatch(`old ${index}`, 2, 1000, 600), 3)
  t.ok(log.segmentCount > 1)

  const other = new TestMachine()
  const leader = await other.open()
  for (let index = 0; index < 5; index++) await append(leader, makeBatch(`new ${index}`, 10), 7)
  const batches = await readAll(leader, 0, 1)
  const { prevCrc } = readBatchHeader(batches[3]!)
  await log.restartAt(30, prevCrc)
  t.same([log.logStartOffset, log.nextOffset, log.durableOffset, log.segmentCount], [30, 30, 30, 1])
  t.same([...log.epochs()], [])
  t.equal(log.lastCrc, prevCrc)

  log.appendStamped(batches[3]!)
  log.appendStamped(batches[4]!)
  await log.flush()
  t.same([...log.epochs()], [{ epoch: 7, startOffset: 30 }])
  machine.powerCut()
  await machine.start(false)
  const again = await machine.open()
  t.same([again.logStartOffset, again.nextOffset, [...again.quarantined]], [30, 50, []])
  t.same((await readAll(again)).map(batch => readBatchHeader(batch).baseOffset), [30, 40])
})

t.test('Restart: a crash at any step leaves the old log, the new one, or what a recovery can explain', async t => {
  for (let step = 1; step < 100; step++) {
    const machine = new TestMachine()
    const log = await machine.open()
    for (let index = 0; index < 12; index++) await append(log, makeBatch(`old ${index}`, 2, 1000, 600), 3)
    const endOffset = log.nextOffset
    const crashed = await machine.disk.crashDuring(step, () => log.restartAt(100, 17))
    machine.powerCut()
    await machine.start(false)
    const again = await machine.open(SMALL)
    t.ok(again.nextOffset === 100 || again.nextOffset === endOffset, `step ${step}: ends at ${again.nextOffset}`)
    for (const batch of await readAll(again).catch(() => [])) t.ok(readBatchHeader(batch).leaderEpoch === 3)
    if (!crashed) return
  }
  t.fail('it never came to an end')
})

t.test('Recovery: an epoch whose first batch never came to the disk is forgotten', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  await append(log, makeBatch('kept', 2), 1)
  const hold = machine.disk.hold({ operation: 'write' })
  log.append(makeBatch('lost'), 4, 2)
  t.equal(log.epochs().length, 2)
  await machine.meta.flush()
  machine.powerCut({ inFlight: 'lost' })
  hold()
  await machine.start(false)
  const again = await machine.open()
  t.same([...again.epochs()], [{ epoch: 1, startOffset: 0 }])
  again.append(makeBatch('of another history'), 3, 0)
  t.same([...again.epochs()], [{ epoch: 1, startOffset: 0 }, { epoch: 3, startOffset: 2 }])
})

t.test('Truncation: a log whose first segment is gone is cut to nothing', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  for (let index = 0; index < 4; index++) await append(log, makeBatch(`${index}`, 2), 1)
  log.checkpoint()
  await machine.meta.flush()
  machine.kill()
  for (const path of machine.disk.paths().filter(each => each.endsWith('.log'))) await machine.disk.remove(path)
  await machine.start(false)
  const again = await machine.open()
  t.same([again.nextOffset, [...again.quarantined]], [8, [{ from: 0, to: 8 }]])
  await again.truncateTo(0)
  t.same([again.logStartOffset, again.nextOffset, [...again.quarantined]], [0, 0, []])
  await append(again, makeBatch('anew'), 2)
  t.equal((await readAll(again)).length, 1)
})

t.test('Append: a follower says in its batches what is durable with itself, not with the leader', async t => {
  const leader = await new TestMachine().open()
  const follower = await new TestMachine().open()
  for (let index = 0; index < 3; index++) await append(leader, makeBatch(`${index}`), 1)
  const batches = await readAll(leader, 0, 1)
  t.same(batches.map(batch => readBatchHeader(batch).committedOffset), [0, 1, 2])
  for (const batch of batches) follower.appendStamped(batch)
  await follower.flush()
  const copies = await readAll(follower, 0, 1)
  t.same(copies.map(batch => readBatchHeader(batch).committedOffset), [0, 0, 0])
  t.same(copies.map(batch => batch.subarray(32)), batches.map(batch => batch.subarray(32)), 'the producer\'s part is the same')
})

t.test('Read: a batch whose damage makes it seem to end above the limit is damaged, not missing', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  for (let index = 0; index < 3; index++) await append(log, makeBatch(`${index}`, 2, 1000, 600), 1)
  await machine.restart()
  const again = await machine.open()
  const path = `${LOG_DIRECTORY}/${'0'.repeat(20)}.log`
  machine.disk.flipBit(path, 4096 + BATCH_POSITION.lastOffsetDelta + 1, 3)
  for (const maxBytes of [100_000, 1]) {
    const outcome = await again.readSlice(0, maxBytes, again.nextOffset).catch((error: unknown) => error)
    t.match(outcome, { reason: { kind: 'corrupt', from: 0, to: 2 } })
  }
  t.same([...again.quarantined], [{ from: 0, to: 2 }])
  t.equal((await again.readSlice(2, 100_000, again.nextOffset)).nextOffset, 6)
})

t.test('Recovery: the name of a segment just made is durable before anything goes into it (killed, then power cut)', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  const release = machine.disk.hold({ operation: 'syncDirectory', path: LOG_DIRECTORY })
  log.append(makeBatch('never answered'), 1, 0)
  for (let turn = 0; turn < 40; turn++) await new Promise(setImmediate)
  t.equal(machine.disk.pendingCount, 1, 'the file is there, with its header; its name is about to be made durable')
  machine.disk.kill({ inFlight: 'lost' })
  machine.meta.kill()
  release()
  await machine.start(false)
  const again = await machine.open()
  await append(again, makeBatch('acknowledged'), 2)
  machine.powerCut({ names: 'none', keep: 'none' })
  await machine.start(false)
  t.equal((await readAll(await machine.open())).length, 1)
})
