// topic, group, rtt, doctor: what they print and how they end.

import { startTestBroker } from '@sluice/broker/testing'
import { connect } from '@sluice/client'
import t from 'tap'
import { runCommand, type CommandResult } from '../testing/command-process.js'
import { runHere } from '../testing/run-here.js'

const broker = await startTestBroker()
t.teardown(() => broker[Symbol.asyncDispose]())
const client = connect({ brokers: [broker.address] })
t.teardown(() => client.close())

function sluice (...args: string[]): Promise<CommandResult> {
  return runHere(args, { SLUICE_BROKERS: broker.address })
}

function parsed<T> (result: CommandResult): T {
  return JSON.parse(result.stdout.toString()) as T
}

async function send (topic: string, count: number, partition = 0): Promise<void> {
  await using producer = client.topic(topic).producer()
  for (let index = 0; index < count; index++) producer.write({ value: Buffer.from(`${index}`), partition })
}

t.test('sluice topic: a life', async t => {
  const created = await sluice('topic', 'create', 'life', '--partitions', '3', '--set', 'retention.ms=1d')
  t.equal(created.code, 0)
  t.equal(created.stdout.length, 0, 'a message is not data')
  t.match(created.stderr, /created topic life with 3 partitions/)
  t.match(parsed(await sluice('topic', 'list', '-o', 'json')), [{ name: 'life', partitions: 3 }])
  await send('life', 10, 1)
  const described = await sluice('topic', 'describe', 'life', '-o', 'json')
  t.equal(described.code, 0)
  t.match(parsed(described), {
    name: 'life',
    partitionCount: 3,
    settings: { 'retention.ms': '86400000', flush: 'sync' },
    partitions: [{ partition: 0, records: 0 }, { partition: 1, highWatermark: 10, records: 10, state: 'online' }, { partition: 2 }],
  })
  t.equal((await sluice('topic', 'alter', 'life', '--partitions', '4', '--unset', 'retention.ms', '--set', 'flush=interval')).code, 0)
  t.match(parsed(await sluice('topic', 'describe', 'life', '-o', 'json')),
    { partitionCount: 4, settings: { 'retention.ms': '604800000', flush: 'interval' } })
  const truncated = await sluice('topic', 'truncate', 'life', '--partition', '1', '--before', '4', '--yes', '-o', 'jsonl')
  t.same(parsed(truncated), { partition: 1, logStartOffset: 4 })
  t.equal((await sluice('topic', 'delete', 'life', '--yes')).code, 0)
  t.equal((await sluice('topic', 'describe', 'life')).code, 3)
})

t.test('sluice topic: what destroys needs a yes, and --dry-run does nothing', async t => {
  await client.admin.createTopic('kept', { partitions: 1 })
  await send('kept', 5)
  for (const [code, ...args] of [
    ['2', 'topic', 'delete', 'kept'],
    ['2', 'topic', 'truncate', 'kept'],
    ['0', 'topic', 'delete', 'kept', '--dry-run'],
    ['0', 'topic', 'truncate', 'kept', '--dry-run'],
    ['0', 'topic', 'alter', 'kept', '--partitions', '9', '--dry-run'],
    ['0', 'topic', 'create', 'other', '--dry-run'],
  ]) {
    const result = await sluice(...args)
    t.equal(result.code, Number(code), args.join(' '))
    t.equal(result.stdout.length, 0)
  }
  const [partition] = (await client.admin.describeTopic('kept')).partitions
  t.match(partition, { logStartOffset: 0, highWatermark: 5 })
  t.equal((await client.admin.describeTopic('kept')).partitions.length, 1)
  t.notOk((await client.admin.listTopics()).includes('other'))
})

t.test('sluice topic: mistakes', async t => {
  await client.admin.createTopic('there')
  const cases: [number, RegExp, string[]][] = [
    [1, /exists already/, ['topic', 'create', 'there']],
    [0, /there already/, ['topic', 'create', 'there', '--if-not-exists']],
    [3, /UNKNOWN_TOPIC/, ['topic', 'delete', 'nowhere', '--yes']],
    [3, /UNKNOWN_TOPIC/, ['topic', 'alter', 'nowhere', '--partitions', '2']],
    [2, /nothing to change/, ['topic', 'alter', 'there']],
    [2, /whole number/, ['topic', 'alter', 'there', '--replicas', '0']],
    [1, /this broker is alone/, ['topic', 'alter', 'there', '--replicas', '3']],
    [2, /must be broker ids/, ['cluster', 'move', 'there', '0', '--to', '1,,2']],
    [2, /whole number/, ['topic', 'create', 'x', '--partitions', 'four']],
    [2, /whole number/, ['topic', 'create', 'x', '--partitions', '0']],
    [2, /NAME=VALUE/, ['topic', 'create', 'x', '--set', 'retention']],
    [1, /unknown setting/, ['topic', 'create', 'x', '--set', 'retentoin.ms=1']],
    [2, /subcommand/, ['topic']],
    [2, /unknown command 'crate'[^]*create/, ['topic', 'crate', 'x']],
    ...['a b', 'a/b', '..', '.', '', 'é', 'a'.repeat(250)].map((name): [number, RegExp, string[]] =>
      [2, /not allowed/, ['topic', 'create', name]]),
  ]
  for (const [code, pattern, args] of cases) {
    const result = await sluice(...args)
    t.equal(result.code, code, args.join(' '))
    t.match(result.stderr, pattern)
  }
  for (const name of ['a', 'A.b_c-9', '...', 'a'.repeat(249)]) t.equal((await sluice('topic', 'create', name)).code, 0, name)
})

t.test('sluice group: list, describe, lag, reset, delete', async t => {
  await client.admin.createTopic('read', { partitions: 2 })
  await send('read', 10, 0)
  await send('read', 6, 1)
  const consumer = client.topic('read').consumer({ group: 'crew', ack: 'explicit' })
  for (let left = 16; left > 0;) {
    const records = await consumer.pull({ maxRecords: left })
    for (const record of records) record.ack()
    left -= records.length
  }
  await consumer.commit()
  await send('read', 3, 1)
  type Lag = { partition: number, committedOffset: number, lag: number, memberId: string | null }[]
  const busy = parsed<Lag>(await sluice('group', 'lag', 'crew', '-o', 'json'))
  t.match(busy, [
    { partition: 0, committedOffset: 10, lag: 0, memberId: String },
    { partition: 1, committedOffset: 6, lag: 3, memberId: String },
  ])
  t.match(parsed(await sluice('group', 'describe', 'crew', '-o', 'json')),
    { group: 'crew', state: 'stable', members: [{ assigned: [{ topic: 'read', partitions: [0, 1] }] }] })
  t.match(parsed(await sluice('group', 'list', '-o', 'json')), [{ group: 'crew', members: 1 }])
  t.match(await sluice('group', 'delete', 'crew', '--yes'), { code: 1, stderr: /has members/ })
  t.equal((await sluice('group', 'reset', 'crew', '--topic', 'read', '--to', 'start', '--yes')).code, 1)
  await consumer.close()
  t.match(await sluice('group', 'reset', 'crew', '--topic', 'read', '--to', 'start'), { code: 2 })
  const planned = await sluice('group', 'reset', 'crew', '--topic', 'read', '--to', '-2', '--dry-run', '-o', 'json')
  t.match(parsed(planned), [{ partition: 0, from: 10, to: 8 }, { partition: 1, from: 6, to: 7 }])
  t.match(parsed<Lag>(await sluice('group', 'lag', 'crew', '-o', 'json')), [{ lag: 0 }, { lag: 3 }])
  t.equal((await sluice('group', 'reset', 'crew', '--topic', 'read', '--to', '-2', '--yes')).code, 0)
  t.match(parsed<Lag>(await sluice('group', 'lag', 'crew', '-o', 'json')), [{ lag: 2 }, { lag: 2 }])
  t.equal((await sluice('group', 'delete', 'crew', '--yes')).code, 0)
  t.equal((await sluice('group', 'lag', 'crew')).code, 3)
  t.equal((await sluice('group', 'describe', 'crew')).code, 3)
})

t.test('sluice: every format carries the same fields', async t => {
  await client.admin.createTopic('formats', { partitions: 2 })
  const listed = (format: string): Promise<CommandResult> => sluice('topic', 'list', '-o', format)
  const [json, jsonl, csv] = [await listed('json'), await listed('jsonl'), await listed('csv')]
  const rows = parsed<Record<string, string>[]>(json)
  t.same(jsonl.stdout.toString().trimEnd().split('\n').map(line => JSON.parse(line) as object), rows)
  t.equal(csv.stdout.toString().split('\n')[0], Object.keys(rows[0]!).join(','))
})

t.test('sluice: no broker is an error within the timeout', async t => {
  const commands = ['topic list', 'consume x -e', 'consume x -g g', 'produce x', 'group list', 'rtt']
  await Promise.all(commands.map(async command => {
    const args = [...command.split(' '), '--brokers', '127.0.0.1:1', '--timeout', '500ms']
    const { code, stderr } = await runCommand(args)
    t.equal(code, 5, command)
    t.match(stderr, /127\.0\.0\.1:1/)
  }))
  t.equal((await runCommand(['topic', 'list', '--brokers', 'no-port:x'])).code, 2)
})

t.test('sluice rtt, doctor', async t => {
  t.match(parsed(await sluice('rtt', '-n', '5', '-o', 'json')), { requests: 5, minMs: Number, p99Ms: Number })
  const doctor = await sluice('doctor', '--data', broker.data, '-o', 'json')
  t.ok([0, 6].includes(doctor.code!), doctor.stderr)
  const checks = parsed<{ check: string, status: string }[]>(doctor)
  for (const check of ['node', 'node-lmdb', 'disk', 'fsync', 'clock', 'open files', 'broker']) {
    t.ok(checks.some(finding => finding.check === check), check)
  }
  const taken = await sluice('doctor', '--listen', broker.address, '--no-broker', '-o', 'json')
  t.equal(taken.code, 1)
  t.match(parsed<{ check: string }[]>(taken).find(finding => finding.check === 'port'), { status: 'fail', found: /EADDRINUSE/ })
  const absent = await runCommand(['doctor', '--brokers', '127.0.0.1:1', '--timeout', '300ms', '-o', 'json'])
  t.equal(absent.code, 6, 'no broker is a warning')
})
