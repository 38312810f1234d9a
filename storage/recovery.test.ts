import t from 'tap'
import { BATCH_POSITION, readBatchHeader } from '@sluice/protocol'
import type { LogReadFailure } from './log-read-failure.js'
import { append, LOG_DIRECTORY, makeBatch, readAll, SMALL, splitBatches, TestMachine } from './log.fixture.js'
import type { PartitionLog } from './partition-log.js'
import { SEGMENT_HEADER_BYTES, segmentFileName } from './segment-header.js'

const ONE_SEGMENT = { ...SMALL, segmentBytes: 1 << 20 }

const pathOf = (baseOffset: number): string => `${LOG_DIRECTORY}/${segmentFileName(baseOffset)}`

/** A machine with a log of `count` durable batches of one record, killed. */
async function filled (count: number, config = ONE_SEGMENT, limits = {}): Promise<TestMachine> {
  const machine = new TestMachine(limits)
  const log = await machine.open(config)
  for (let index = 0; index < count; index++) await append(log, makeBatch(`b${index}`, 1, 1000 + index, 40))
  return machine
}

async function reopened (machine: TestMachine, config = ONE_SEGMENT): Promise<PartitionLog> {
  await machine.start(false)
  return await machine.open(config)
}

async function valuesOf (log: PartitionLog): Promise<number[]> {
  const offsets: number[] = []
  await log.replay(0, batch => { offsets.push(readBatchHeader(batch).baseOffset) })
  return offsets
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

t.test('Recovery: a write torn at any byte of the last batches is cut, and nothing else', async t => {
  const machine = await filled(5)
  machine.kill()
  const path = pathOf(0)
  const whole = machine.disk.contents(path)
  const size = makeBatch('b0', 1, 1000, 40).length
  const snapshot = machine.disk.snapshot()
  for (let length = whole.length - 2 * size; length <= whole.length; length++) {
    machine.disk.restore(snapshot)
    machine.meta.wipe()
    // What is lost reads as zeros, or is not there.
    if (length % 2 === 0) {
      machine.disk.corrupt(path, length, Buffer.alloc(whole.length - length))
    } else {
      const file = await machine.disk.open(path, { create: 'never' })
      await file.truncate(length)
      await file.close()
    }
    const log = await reopened(machine)
    const kept = Math.floor((length - SEGMENT_HEADER_BYTES) / size)
    // The last batch says that those before it were committed; what is torn off was not said to be by anything sound.
    t.equal(log.nextOffset, kept, `torn at ${length}`)
    t.same(log.quarantined, [])
    t.equal(await append(log, makeBatch('new')), kept)
    t.same(await valuesOf(log), range(0, kept + 1))
    machine.kill()
    t.equal((await reopened(machine)).nextOffset, kept + 1)
    machine.kill()
  }
})

t.test('Recovery: a tail that was checkpointed and is gone is quarantined, and its offsets never come again', async t => {
  const machine = await filled(10)
  machine.time.advance(2000)
  await machine.meta.flush()
  machine.kill()
  const file = await machine.disk.open(pathOf(0), { create: 'never' })
  await file.truncate(SEGMENT_HEADER_BYTES + 500)
  await file.close()
  const log = await reopened(machine)
  t.equal(log.nextOffset, 10)
  const [damage] = log.quarantined
  t.equal(damage!.to, 10)
  t.equal(await append(log, makeBatch('after')), 10)
  t.same(await valuesOf(log), [...range(0, damage!.from), 10])
  machine.kill()
  machine.meta.wipe()
  const again = await reopened(machine)
  t.equal(again.nextOffset, 11, 'known from the files alone')
  t.same(await valuesOf(again), [...range(0, damage!.from), 10])
})

for (const where of ['active', 'sealed'] as const) {
  t.test(`Recovery: a bit flipped in any field is found, and only that batch is lost (${where} segment)`, async t => {
    const config = where === 'active' ? ONE_SEGMENT : { ...SMALL, segmentBytes: SEGMENT_HEADER_BYTES + 1000 }
    const machine = await filled(30, config)
    machine.kill()
    const size = makeBatch('b0', 1, 1000, 40).length
    const snapshot = machine.disk.snapshot()
    const fields = { ...BATCH_POSITION, extrasEnd: 83, key: 84, body: size - 1 }
    for (const [field, at] of Object.entries(fields)) {
      machine.disk.restore(snapshot)
      machine.meta.wipe()
      machine.disk.flipBit(pathOf(0), SEGMENT_HEADER_BYTES + 2 * size + at, at % 8)
      const log = await reopened(machine, config)
      t.same(log.quarantined, [{ from: 2, to: 3 }], field)
      t.equal(log.nextOffset, 30)
      t.same(await valuesOf(log), [0, 1, ...range(3, 30)])
      const reason = await log.readSlice(2, 1000, 30).catch((error: LogReadFailure) => error.reason)
      t.same(reason, { kind: 'corrupt', from: 2, to: 3 })
      t.equal((await log.readSlice(0, 100_000, 30)).nextOffset, 2, 'a slice ends before the damage')
      t.equal(await append(log, makeBatch('after')), 30)
      machine.kill()
    }
  })
}

t.test('Recovery: damage at run time is found on reading, and reading goes on behind it', async t => {
  for (const at of [0, 8, 12, 30, 33, 40, 90]) {
    const machine = await filled(40, SMALL)
    await machine.restart()
    const size = makeBatch('b0', 1, 1000, 40).length
    machine.disk.flipBit(pathOf(0), SEGMENT_HEADER_BYTES + 5 * size + at)
    const log = await machine.open(SMALL)
    t.same(await valuesOf(log), [...range(0, 5), ...range(6, 40)], `byte ${at}`)
    t.same(log.quarantined, [{ from: 5, to: 6 }])
    t.ok(machine.kinds().includes('quarantined'))
  }
})

t.test('Recovery: a segment missing in the middle is quarantined', async t => {
  for (const wiped of [false, true]) {
    const machine = await filled(200, SMALL)
    const bases = machine.disk.paths().filter(path => path.endsWith('.log')).map(path => Number(path.slice(-24, -4)))
    t.ok(bases.length > 3)
    await machine.meta.flush()
    machine.kill()
    if (wiped) machine.meta.wipe()
    await machine.disk.remove(pathOf(bases[1]!))
    await machine.disk.syncDirectory(LOG_DIRECTORY)
    const log = await reopened(machine, SMALL)
    t.same(log.quarantined, [{ from: bases[1]!, to: bases[2]! }])
    t.same(await valuesOf(log), [...range(0, bases[1]!), ...range(bases[2]!, 200)])
  }
})

t.test('Recovery: a segment lost while the broker runs is found on reading', async t => {
  const machine = await filled(200, SMALL)
  const bases = machine.disk.paths().filter(path => path.endsWith('.log')).map(path => Number(path.slice(-24, -4)))
  await machine.restart()
  const log = await machine.open(SMALL)
  await machine.disk.remove(pathOf(bases[1]!))
  t.same(await valuesOf(log), [...range(0, bases[1]!), ...range(bases[2]!, 200)])
})

t.test('Recovery: a segment cut short while the broker was stopped is found on reading (clean start)', async t => {
  for (const where of ['sealed', 'active'] as const) {
    for (const into of [0, 1, 50, 84, 90]) {
      const machine = await filled(200, SMALL)
      const bases = machine.disk.paths().filter(path => path.endsWith('.log')).map(path => Number(path.slice(-24, -4)))
      await machine.restart()
      const base = where === 'sealed' ? bases[1]! : bases[bases.length - 1]!
      const end = where === 'sealed' ? bases[2]! : 200
      const size = makeBatch('b100', 1, 1000, 40).length
      const file = await machine.disk.open(pathOf(base), { create: 'never' })
      await file.truncate(SEGMENT_HEADER_BYTES + size + into)
      await file.close()
      const log = await machine.open(SMALL)
      const reason = await log.readSlice(end - 1, 1000, 200).catch((error: LogReadFailure) => error.reason)
      t.same(reason, { kind: 'corrupt', from: base + 1, to: end }, `${where}, ${into} bytes into the second batch`)
      t.same(await valuesOf(log), [...range(0, base + 1), ...range(end, 200)])
      machine.kill()
    }
  }
})

t.test('Recovery: a file of another log, and one in a wrong place, are set aside and never removed', async t => {
  const machine = await filled(200, SMALL)
  const other = await machine.open(SMALL, { topicId: 'other', partition: 3, kind: 'state' })
  await append(other, makeBatch('foreign'))
  machine.kill()
  const foreign = machine.disk.contents('/data/logs/other/3/state/00000000000000000000.log')
  const doubled = machine.disk.contents(pathOf(0))
  for (const [name, bytes] of [['00000000000000000100.log', foreign], ['00000000000000009000.log', doubled]] as const) {
    const file = await machine.disk.open(`${LOG_DIRECTORY}/${name}`, { create: 'ifMissing' })
    await new Promise(resolve => { file.write([bytes], 0, resolve) })
    await file.close()
  }
  const log = await reopened(machine, SMALL)
  t.same(await valuesOf(log), range(0, 200))
  t.equal(machine.kinds().filter(kind => kind === 'setAside').length, 2)
  t.equal(machine.disk.paths().filter(path => path.includes('.set-aside')).length, 2)
})

t.test('Recovery: the meta store may be gone, older, or ahead of the log', async t => {
  const machine = new TestMachine()
  let log = await machine.open(SMALL)
  const fill = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) await append(log, makeBatch(`b${index}`, 1, 1000, 40), 1)
  }
  await fill(60)
  await machine.store.close()
  const older = machine.disk.snapshot()
  await machine.start()
  log = await machine.open(SMALL)
  await fill(60)
  await machine.store.close()
  const newer = machine.disk.snapshot()

  t.comment('gone')
  machine.meta.wipe()
  await machine.start()
  log = await machine.open(SMALL)
  t.same(await valuesOf(log), range(0, 120), 'a clean mark on the disk alone is not believed')
  await machine.store.close()

  t.comment('ahead: the files are an older copy')
  machine.disk.restore(older)
  await machine.start()
  log = await machine.open(SMALL)
  t.equal(log.nextOffset, 120)
  t.same(await valuesOf(log), range(0, 60))
  t.equal(log.quarantined[log.quarantined.length - 1]!.to, 120)
  t.equal(await append(log, makeBatch('next')), 120)
  machine.kill()
  machine.disk.restore(newer)
})

t.test('Recovery: garbage in the meta store is not believed', async t => {
  const machine = await filled(100, SMALL)
  await machine.store.close()
  for (const table of ['log', 'log-segment', 'log-epoch', 'log-index']) {
    const changes = machine.meta.range(table).map(({ key, value }, index) => {
      const bad = Buffer.from(value)
      if (index % 2 === 0) bad[index % bad.length]! ^= 0x55
      return { table, key, value: index % 3 === 0 ? bad.subarray(0, index % bad.length) : bad }
    })
    machine.meta.write(changes)
    await machine.start()
    const log = await machine.open(SMALL)
    t.same(await valuesOf(log), range(0, 100), table)
    t.same(log.epochs(), [{ epoch: 1, startOffset: 0 }])
    await machine.store.close()
  }
})

t.test('Recovery: index entries that lead astray are found out and written anew', async t => {
  const machine = await filled(100, ONE_SEGMENT)
  await machine.restart()
  const entries = machine.meta.range('log-index')
  t.ok(entries.length > 5)
  const swapped = entries.map(({ key }, index) => ({ table: 'log-index', key, value: entries[(index + 1) % 5]!.value }))
  for (const changes of [swapped, entries.map(({ key }) => ({ table: 'log-index', key, value: null }))]) {
    machine.meta.write(changes)
    const log = await machine.open(ONE_SEGMENT)
    for (const offset of [99, 50, 3, 77]) {
      const [batch] = splitBatches(await log.readSlice(offset, 1, 100))
      t.equal(readBatchHeader(batch!).baseOffset, offset)
    }
    await machine.restart()
  }
})

t.test('Recovery: a record that holds the bytes of a segment does not lead the search astray', async t => {
  const machine = await filled(10)
  const inner = machine.disk.contents(pathOf(0)).subarray(SEGMENT_HEADER_BYTES)
  const log = await machine.open(ONE_SEGMENT, { topicId: 'outer', partition: 0, kind: 'data' })
  const { RecordBatchBuilder } = await import('@sluice/protocol')
  const builder = new RecordBatchBuilder()
  builder.append(null, inner, 1)
  const bait = builder.build()
  await append(log, makeBatch('first'))
  await append(log, bait)
  await append(log, makeBatch('last'))
  machine.kill()
  const path = '/data/logs/outer/0/data/00000000000000000000.log'
  const first = makeBatch('first').length
  machine.disk.flipBit(path, SEGMENT_HEADER_BYTES + first + 3)
  machine.meta.wipe()
  await machine.start(false)
  const again = await machine.open(ONE_SEGMENT, { topicId: 'outer', partition: 0, kind: 'data' })
  t.equal(again.nextOffset, 3)
  t.same(again.quarantined, [{ from: 1, to: 2 }])
  t.same(await valuesOf(again), [0, 2])
})

t.test('Recovery: stale batches behind the end never continue a new chain', async t => {
  const machine = await filled(10)
  const log = await machine.open(ONE_SEGMENT)
  const size = makeBatch('b0', 1, 1000, 40).length
  const tail = machine.disk.contents(pathOf(0)).subarray(SEGMENT_HEADER_BYTES + 5 * size)
  await log.truncateTo(4)
  for (let index = 0; index < 3; index++) await append(log, makeBatch(`n${index}`, 1, 1000, 40), 2)
  t.equal(log.nextOffset, 7)
  machine.kill()
  // As if the old bytes had stayed behind the new end, at their places and shifted. The leader that had them cut off
  // writes in a later epoch: theirs gives them away.
  for (const shift of [0, size]) {
    const snapshot = machine.disk.snapshot()
    machine.disk.corrupt(pathOf(0), SEGMENT_HEADER_BYTES + 7 * size, tail.subarray(2 * size - shift))
    machine.meta.wipe()
    const again = await reopened(machine)
    t.equal(again.nextOffset, 7)
    t.same(again.quarantined, [])
    machine.kill()
    machine.disk.restore(snapshot)
  }
})

t.test('Recovery: lengths laid out as bait end the search in bounded work', async t => {
  const machine = await filled(3)
  machine.kill()
  const path = pathOf(0)
  const end = machine.disk.contents(path).length
  const bait = Buffer.alloc(300_000, 1)
  for (let at = 0; at + 84 < bait.length; at += 40) bait.writeUInt32BE(at % 3 === 0 ? 0 : 0x03ffffff, at + 8)
  machine.disk.corrupt(path, end, bait)
  const before = machine.disk.count('read')
  const log = await reopened(machine)
  t.equal(log.nextOffset, 3)
  t.ok(machine.disk.count('read') - before < 50)
  t.equal(machine.disk.contents(path).length, end, 'what is behind the end is gone from the file')
  t.equal((await readAll(log)).length, 3)
})
