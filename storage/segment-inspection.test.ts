import t from 'tap'
import { append, LOG_DIRECTORY, LOG_ID, makeBatch, readAll, TestMachine } from './log.fixture.js'
import type { LogReadFailure } from './log-read-failure.js'
import { SEGMENT_HEADER_BYTES, segmentFileName } from './segment-header.js'
import { dumpSegment, listSegments, repairLog, verifyLog } from './segment-inspection.js'

const LOGS = '/data/logs'

async function stopped (count: number): Promise<{ machine: TestMachine, paths: string[] }> {
  const machine = new TestMachine()
  const log = await machine.open()
  for (let index = 0; index < count; index++) await append(log, makeBatch(`b${index}`, 2, 1000, 60))
  await machine.store.close()
  return { machine, paths: machine.disk.paths().filter(path => path.endsWith('.log')) }
}

t.test('Inspection: a sound log is listed, dumped and verified, and nothing is written', async t => {
  const { machine, paths } = await stopped(100)
  const changes = machine.disk.count('write') + machine.disk.count('truncate')
  const segments = await listSegments(machine.disk, LOGS, LOG_ID)
  t.same(segments.map(segment => segment.path), paths)
  t.ok(segments.every(segment => segment.fault === null))
  const check = await verifyLog(machine.disk, LOGS, LOG_ID)
  t.equal(check.sound, true)
  t.equal(check.segments.reduce((sum, each) => sum + each.recordCount, 0), 200)
  t.equal(check.segments[check.segments.length - 1]!.endOffset, 200)
  const offsets: number[] = []
  const dumped = await dumpSegment(machine.disk, paths[1]!, (header, batch) => {
    offsets.push(header.baseOffset)
    t.equal(batch.length, header.size)
  })
  t.equal(offsets.length, dumped.batchCount)
  t.equal(offsets[0], segments[1]!.baseOffset)
  t.equal(machine.disk.count('write') + machine.disk.count('truncate'), changes)
})

t.test('Inspection: a torn tail is told, and cut only by repair, which keeps a copy', async t => {
  const { machine, paths } = await stopped(20)
  const last = paths[paths.length - 1]!
  const end = machine.disk.contents(last).length
  machine.disk.corrupt(last, end, Buffer.from('torn'))
  const check = await verifyLog(machine.disk, LOGS, LOG_ID)
  t.equal(check.sound, false)
  t.equal(check.segments[check.segments.length - 1]!.tornBytes, 4)
  const repaired = await repairLog(machine.disk, LOGS, LOG_ID)
  t.equal(repaired.cutBytes, 4)
  t.equal(machine.disk.contents(repaired.copies[0]!).toString(), 'torn')
  t.equal(machine.disk.contents(last).length, end)
  await machine.start()
  t.equal((await readAll(await machine.open())).length, 20)
})

t.test('Inspection: sound batches behind a hole are never taken for torn (appended together, none says committed)', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  const batches = Array.from({ length: 5 }, (_, index) => makeBatch(`b${index}`, 2, 1000, 60))
  for (const batch of batches) log.append(batch, 1, log.durableOffset)
  await log.flush()
  await machine.store.close()
  const path = machine.disk.paths().find(each => each.endsWith('.log'))!
  machine.disk.flipBit(path, SEGMENT_HEADER_BYTES + 100)
  const { segments: [check] } = await verifyLog(machine.disk, LOGS, LOG_ID)
  t.match(check, { tornBytes: 0, endOffset: 10, batchCount: 4 })
  t.same(check!.damage.map(({ from, to }) => ({ from, to })), [{ from: 0, to: 2 }])
  const before = machine.disk.contents(path)
  const repaired = await repairLog(machine.disk, LOGS, LOG_ID)
  t.equal(repaired.cutBytes, 0)
  t.ok(machine.disk.contents(path).equals(before), 'the file is as it was')
  await machine.start()
  const reopened = await machine.open()
  const reason = await reopened.readSlice(0, 100_000, 10).catch((error: LogReadFailure) => error.reason)
  t.same(reason, { kind: 'corrupt', from: 0, to: 2 })
  t.equal((await reopened.readSlice(2, 100_000, 10)).nextOffset, 10)
})

t.test('Inspection: zeros written ahead are not torn', async t => {
  const { machine, paths } = await stopped(5)
  const last = paths[paths.length - 1]!
  machine.disk.corrupt(last, machine.disk.contents(last).length, Buffer.alloc(5000))
  t.equal((await verifyLog(machine.disk, LOGS, LOG_ID)).sound, true)
})

t.test('Inspection: damage, a missing segment and strangers are told with their offsets', async t => {
  const { machine, paths } = await stopped(100)
  const size = makeBatch('b0', 2, 1000, 60).length
  machine.disk.flipBit(paths[0]!, SEGMENT_HEADER_BYTES + size + 90)
  await machine.disk.remove(paths[1]!)
  machine.disk.corrupt(paths[2]!, 100, Buffer.from('x'))
  const stranger = `${LOG_DIRECTORY}/${segmentFileName(77_777)}`
  await machine.disk.rename(paths[3]!, stranger)
  const check = await verifyLog(machine.disk, LOGS, LOG_ID)
  t.equal(check.sound, false)
  t.same(check.segments[0]!.damage.map(({ from, to }) => ({ from, to })), [{ from: 2, to: 4 }])
  t.ok(check.missing.length > 0)
  t.equal(check.segments[1]!.headerFault, 'crc')
  t.same(check.strangers, [stranger])
  const before = machine.disk.contents(paths[0]!)
  const { copies, cutBytes } = await repairLog(machine.disk, LOGS, LOG_ID)
  t.equal(cutBytes, 0)
  const damaged = before.subarray(SEGMENT_HEADER_BYTES + size, SEGMENT_HEADER_BYTES + 2 * size)
  t.ok(machine.disk.contents(copies[0]!).equals(damaged))
  t.ok(machine.disk.contents(paths[0]!).equals(before), 'what is damaged stays in place')
})

t.test('Inspection: a file that is no segment is refused', async t => {
  const { machine } = await stopped(1)
  const file = await machine.disk.open('/data/other', { create: 'new' })
  await file.close()
  await t.rejects(dumpSegment(machine.disk, '/data/other', () => {}), /no segment/)
})
