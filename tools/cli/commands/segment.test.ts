// segment on the folder of a broker that has stopped.

import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestBroker } from '@sluice/broker/testing'
import { connect } from '@sluice/client'
import t from 'tap'
import { runCommand } from '../testing/command-process.js'

const data = await mkdtemp(join(tmpdir(), 'sluice-segment-'))
t.teardown(() => rm(data, { recursive: true, force: true }))

interface Listed { topic: string, partition: number, kind: string, path: string }

const broker = await startTestBroker({ data })
{
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('kept', { partitions: 2 })
  const producer = client.topic('kept').producer()
  // One batch after the other, so that each says that the one before it was committed.
  for (let index = 0; index < 20; index++) await producer.send({ key: Buffer.from('k'), value: Buffer.from(`value ${index}`), partition: 0 })
}

async function listed (): Promise<Listed[]> {
  const { code, stdout, stderr } = await runCommand(['segment', 'ls', '--data', data, '--topic', 'kept', '-o', 'json'])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout.toString()) as Listed[]
}

t.test('sluice segment: a folder that a broker uses is not touched', async t => {
  for (const command of ['ls', 'verify', 'repair']) {
    const { code, stderr } = await runCommand(['segment', command, '--data', data])
    t.equal(code, 1, command)
    t.match(stderr, /LOCKED/)
  }
  await broker.stop()
})

t.test('sluice segment ls, dump: what is in the files', async t => {
  const [segment] = (await listed()).filter(row => row.kind === 'data')
  t.match(segment, { topic: 'kept', partition: 0, baseOffset: 0, fault: null })
  const batches = await runCommand(['segment', 'dump', segment!.path, '-o', 'json'])
  t.equal(batches.code, 0)
  const rows = JSON.parse(batches.stdout.toString()) as { baseOffset: number, records: number }[]
  t.equal(rows.reduce((sum, row) => sum + row.records, 0), 20)
  const records = await runCommand(['segment', 'dump', segment!.path, '--records', '--from', '18', '-o', 'json'])
  t.match(JSON.parse(records.stdout.toString()), [{ offset: 18, key: 'k', value: 'value 18' }, { offset: 19, value: 'value 19' }])
  const one = await runCommand(['segment', 'dump', segment!.path, '-n', '1', '-o', 'jsonl'])
  t.equal(one.stdout.toString().trimEnd().split('\n').length, 1)
})

t.test('sluice segment verify: sound, then damaged; repair asks, and keeps a copy', async t => {
  t.match(await runCommand(['segment', 'verify', '--data', data]), { code: 0, stderr: /all is sound/ })
  t.match(await runCommand(['segment', 'repair', '--data', data]), { code: 0, stderr: /nothing to do/ })
  const { path } = (await listed()).find(row => row.kind === 'data')!
  const dump = await runCommand(['segment', 'dump', path, '-o', 'json'])
  const batches = JSON.parse(dump.stdout.toString()) as { position: number, sizeBytes: number }[]
  const damaged = batches[5]!
  const file = await open(path, 'r+')
  await file.write('damage', damaged.position + damaged.sizeBytes - 6)
  await file.close()

  const verify = await runCommand(['segment', 'verify', '--data', data, '-o', 'json'])
  t.equal(verify.code, 1)
  const rows = JSON.parse(verify.stdout.toString()) as { status: string }[]
  t.match(rows.find(row => row.status === 'damaged'), { kind: 'data', detail: /offsets 5 up to 6/, endOffset: 20 })

  const before = await readFile(path)
  t.equal((await runCommand(['segment', 'repair', '--data', data])).code, 2, 'nobody said yes')
  t.match(await runCommand(['segment', 'repair', '--data', data, '--dry-run']), { code: 0, stderr: /nothing was done/ })
  t.ok((await readFile(path)).equals(before))
  const repair = await runCommand(['segment', 'repair', '--data', data, '--yes', '-o', 'json'])
  t.equal(repair.code, 0, repair.stderr)
  const [result] = JSON.parse(repair.stdout.toString()) as { cutBytes: number, copies: string[] }[]
  t.equal(result!.cutBytes, 0, 'damage between sound batches is not cut')
  t.match((await readFile(result!.copies[0]!)).toString('latin1'), /damage/)
})

t.test('sluice segment: the broker serves what is sound after it', async t => {
  await using again = await startTestBroker({ data })
  await using client = connect({ brokers: [again.address] })
  const values: string[] = []
  for await (const record of client.topic('kept').read({ from: { 0: 6 }, partitions: [0] })) values.push(String(record.value))
  t.equal(values.length, 14)
  await t.rejects(async () => {
    for await (const record of client.topic('kept').read({ partitions: [0] })) values.push(String(record.value))
  }, { code: 'CORRUPT', offset: 5, resumeOffset: 6 })
})

t.test('sluice segment: mistakes', async t => {
  const cases: [number, RegExp, string[]][] = [
    [3, /no folder/, ['ls', '--data', join(data, 'nowhere')]],
    [1, /FOREIGN_FOLDER/, ['verify', '--data', join(data, 'logs')]],
    [3, /no log fits/, ['ls', '--data', data, '--topic', 'nowhere']],
    [2, /--data/, ['ls']],
    [3, /ENOENT/, ['dump', join(data, 'nowhere.log')]],
    [1, /no segment/, ['dump', join(data, 'sluice.json')]],
  ]
  await Promise.all(cases.map(async ([code, pattern, args]) => {
    const result = await runCommand(['segment', ...args])
    t.equal(result.code, code, args.join(' '))
    t.match(result.stderr, pattern)
    t.notMatch(result.stderr, /should not happen/)
  }))
})
