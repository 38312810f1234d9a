// The yardstick itself: what it acknowledges is in the file, in order and whole.

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BATCH_POSITION, checkBatchBody, RecordBatchBuilder, RecordReader } from '@sluice/protocol'
import t, { type Test } from 'tap'
import { BareFetchLoad } from '../load/bare-fetch-load.js'
import { writeBacklog } from './backlog.js'
import { BareConnection } from './bare-connection.js'
import { BareServer } from './bare-server.js'
import { BatchIntake, type BatchRun } from './batch-intake.js'
import { BARE_FORMS } from './commit-loop.js'

async function temporaryFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bare-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function batchOf (...values: string[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append(null, value, 1_000)
  return builder.build()
}

/** Values of the batches in `bytes`, up to `end`. */
function valuesIn (bytes: Buffer, end: number): string[] {
  const values: string[] = []
  for (let position = 0; position < end; position += bytes.readUInt32BE(position + BATCH_POSITION.size)) {
    const fault = checkBatchBody(bytes, position)
    if (fault !== null) throw new Error(fault)
    const reader = new RecordReader().open(bytes, position)
    while (reader.next()) values.push(reader.value!.toString())
  }
  return values
}

for (const form of BARE_FORMS) {
  t.test(`Bare loop: what is acknowledged is in the file, whole and in order (${form})`, async t => {
    const path = join(await temporaryFolder(t), 'log')
    const server = await BareServer.start({ path, form, backlogPath: null, prewrittenBytes: 8 * 1024 * 1024 })
    const connection = await BareConnection.open(server.ports.produce)
    const expected: string[] = []
    const acked = new Promise<void>(resolve => {
      connection.onAck = () => { if (expected.length === 400 && connection.unackedBytes === 0) resolve() }
    })
    for (let number = 0; number < 400; number++) {
      const value = `${number}-${'x'.repeat(number * 37 % 9_000)}`
      expected.push(value)
      connection.send(batchOf(value))
      if (number % 50 === 0) await new Promise(resolve => { setImmediate(resolve) })
    }
    await acked
    t.equal(connection.ackedBytes, connection.sentBytes)
    await connection.close()
    await server.stop()
    t.same(valuesIn(await readFile(path), connection.sentBytes), expected)
  })
}

t.test('Bare loop: a pre-written file is used again from its start, and does not grow', async t => {
  const path = join(await temporaryFolder(t), 'log')
  const prewrittenBytes = 1024 * 1024
  const server = await BareServer.start({ path, form: 'prewritten', backlogPath: null, prewrittenBytes })
  const connection = await BareConnection.open(server.ports.produce)
  const batch = batchOf('y'.repeat(100_000))
  for (let number = 0; number < 25; number++) {
    const acked = new Promise<void>(resolve => { connection.onAck = resolve })
    connection.send(batch)
    await acked
  }
  t.equal(connection.unackedBytes, 0)
  await connection.close()
  await server.stop()
  t.equal((await stat(path)).size, prewrittenBytes)
})

t.test('Bare loop: a fetch goes through the backlog with every value', async t => {
  const folder = await temporaryFolder(t)
  const backlogPath = join(folder, 'backlog')
  const fileBytes = await writeBacklog(backlogPath, { backlog: 10_050, batch: 100, size: 200 })
  t.equal((await stat(backlogPath)).size, fileBytes)
  const server = await BareServer.start({ path: join(folder, 'log'), form: 'append', backlogPath, prewrittenBytes: 0 })
  const load = new BareFetchLoad({ port: server.ports.fetch, fileBytes, recordBytes: 200, walk: true })
  await load.prepare()
  load.start()
  while (load.doneRecords < 25_000) await new Promise(resolve => { setImmediate(resolve) })
  await load.stop()
  await server.stop()
  t.equal(load.valueBytes, load.doneRecords * 200)
})

t.test('Batch intake: batches come out whole, however the stream is cut', async t => {
  const batches = Array.from({ length: 60 }, (_, number) => batchOf(`${number}-${'z'.repeat(number * 1_234)}`))
  const stream = Buffer.concat(batches)
  for (const step of [1_000, 4_099, 65_536, 300_000]) {
    const runs: Buffer[] = []
    const held: BatchRun[] = []
    const intake = new BatchIntake(run => {
      runs.push(Buffer.from(run.bytes))
      held.push(run)
      if (held.length > 3) intake.release(held.shift()!)
    })
    for (let position = 0; position < stream.length;) {
      const target = intake.target()
      const size = stream.copy(target, 0, position, Math.min(stream.length, position + step))
      intake.took(size)
      position += size
    }
    t.ok(Buffer.concat(runs).equals(stream), `cut every ${step} bytes`)
  }
})

t.test('Batch intake: a damaged batch is refused', async t => {
  const batch = batchOf('whole')
  batch[batch.length - 1]! ^= 1
  const intake = new BatchIntake(() => t.fail('it was handed on'))
  batch.copy(intake.target())
  t.throws(() => intake.took(batch.length), /damaged: crc/)
})
