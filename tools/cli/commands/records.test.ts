// produce and consume as scripts use them: bytes in, bytes out.

import { randomBytes } from 'node:crypto'
import { startTestBroker } from '@sluice/broker/testing'
import { connect } from '@sluice/client'
import t from 'tap'
import { CommandProcess, runCommand, type CommandResult } from '../testing/command-process.js'
import { runHere } from '../testing/run-here.js'

const broker = await startTestBroker()
t.teardown(() => broker[Symbol.asyncDispose]())
const client = connect({ brokers: [broker.address] })
t.teardown(() => client.close())
const BROKERS = ['--brokers', broker.address]
let topics = 0

async function newTopic (partitions = 1): Promise<string> {
  const name = `topic-${++topics}`
  await client.admin.createTopic(name, { partitions })
  return name
}

function produce (topic: string, input: string | Buffer, ...args: string[]): Promise<CommandResult> {
  return runCommand(['produce', topic, ...BROKERS, ...args], input)
}

function consume (topic: string, ...args: string[]): Promise<CommandResult> {
  return runCommand(['consume', topic, ...BROKERS, ...args])
}

t.test('sluice produce, consume: what is printed is what went in', async t => {
  const topic = await newTopic()
  const { code, stderr } = await produce(topic, 'first\nsecond\r\n\nlast')
  t.equal(code, 0)
  t.match(stderr, /^sent 4 records/)
  const out = await consume(topic, '-o', 'start', '-e', '-f', '%p %o %k %v\\n')
  t.equal(out.code, 0)
  t.equal(out.stdout.toString(), '0 0  first\n0 1  second\r\n0 2  \n0 3  last\n')
  t.equal((await consume(topic, '-e')).stdout.toString(), 'first\nsecond\r\n\nlast\n', 'without a format: the values')
})

t.test('sluice produce: keys, headers, partition', async t => {
  const topic = await newTopic(3)
  t.equal((await produce(topic, 'k1::a::b\nnokey\n::empty\n', '-k', '::', '--partition', '2', '--header', 'h=1', '--header', 'i=2')).code, 0)
  const { stdout } = await consume(topic, '-e', '-f', '%p[%k][%v][%h]\\n')
  t.equal(stdout.toString(), '2[k1][a::b][h=1,i=2]\n2[][nokey][h=1,i=2]\n2[][empty][h=1,i=2]\n')
  const rows = (await consume(topic, '-e', '-f', 'jsonl')).stdout.toString().trimEnd().split('\n')
  t.same(rows.map(row => (JSON.parse(row) as { key: string | null }).key), ['k1', null, ''], 'no key is not an empty key')
})

t.test('sluice produce: the same key goes to the same partition, in order', async t => {
  const topic = await newTopic(4)
  const lines = Array.from({ length: 400 }, (_, index) => `key${index % 7}:${index}`)
  t.equal((await produce(topic, `${lines.join('\n')}\n`, '-k', ':')).code, 0)
  const seen = new Map<string, { partition: string, last: number }>()
  const printed = (await consume(topic, '-e', '-f', '%p %k %v\\n')).stdout.toString().trimEnd().split('\n')
  t.equal(printed.length, lines.length)
  for (const line of printed) {
    const [partition, key, value] = line.split(' ') as [string, string, string]
    const before = seen.get(key) ?? { partition, last: -1 }
    if (before.partition !== partition || before.last >= Number(value)) t.fail(`${line} after ${before.partition} ${before.last}`)
    seen.set(key, { partition, last: Number(value) })
  }
  t.equal(seen.size, 7)
})

t.test('sluice produce, consume: any bytes come back as they were (every byte value, every codec)', async t => {
  for (const codec of ['none', 'gzip', 'brotli']) {
    const topic = await newTopic()
    const lines = Array.from({ length: 300 }, () => randomBytes(200).map(byte => byte === 10 ? 11 : byte))
    const input = Buffer.concat(lines.flatMap(line => [Buffer.from(line), Buffer.from('\n')]))
    t.equal((await produce(topic, input, '--codec', codec)).code, 0)
    t.ok((await consume(topic, '-e')).stdout.equals(input), codec)
  }
})

t.test('sluice produce: a huge line is one record; one beyond the limit fails and the others go on', async t => {
  const topic = await newTopic()
  const huge = Buffer.alloc(3 * 1024 * 1024, 'x')
  t.equal((await produce(topic, huge)).code, 0)
  t.ok((await consume(topic, '-e', '-f', '%v')).stdout.equals(huge))
  const tooLarge = Buffer.concat([Buffer.from('before\n'), Buffer.alloc(12 * 1024 * 1024, 'y'), Buffer.from('\nafter\n')])
  const { code, stderr } = await produce(topic, tooLarge)
  t.equal(code, 1)
  t.match(stderr, /1 of 3 records failed/)
  t.match(stderr, /bytes/)
  t.equal((await consume(topic, '-o', '1', '-e')).stdout.toString(), 'before\nafter\n')
})

t.test('sluice produce: nothing on standard input', async t => {
  const { code, stderr } = await produce(await newTopic(), '')
  t.equal(code, 0)
  t.match(stderr, /sent 0 records/)
})

t.test('sluice produce: SIGINT sends what has come and ends with 0', async t => {
  const topic = await newTopic()
  const process = new CommandProcess(['produce', topic, ...BROKERS])
  process.child.stdin!.write('one\ntwo\n')
  const follower = new CommandProcess(['consume', topic, ...BROKERS, '-n', '2'])
  t.equal((await follower.exited).stdout.toString(), 'one\ntwo\n', 'a record is sent when it comes, not at the end')
  process.child.kill('SIGINT')
  const { code, stderr } = await process.exited
  t.equal(code, 0)
  t.match(stderr, /sent 2 records/)
})

t.test('sluice consume: where to begin and where to stop', async t => {
  const topic = await newTopic()
  await produce(topic, Array.from({ length: 20 }, (_, index) => `${index}\n`).join(''))
  const cases: [string, string[]][] = [
    ['17 18 19', ['-o', '-3', '-e']],
    ['18 19', ['-o', '18', '-e']],
    ['', ['-o', 'end', '-e']],
    ['0 1', ['-o', '1h', '-e', '-n', '2']],
    ['0 1 2', ['-o', '@0', '-n', '3']], // a count ends it without -e
    ['17 18', ['-e', '--grep', '^1[78]$']],
    ['', ['-o', `@${Date.now() + 3_600_000}`, '-e']],
  ]
  await Promise.all(cases.map(async ([expected, args]) => {
    const { stdout } = await consume(topic, ...args)
    t.equal(stdout.toString().replaceAll('\n', ' ').trim(), expected, args.join(' '))
  }))
})

t.test('sluice consume: partitions', async t => {
  const topic = await newTopic(3)
  await Promise.all(['a', 'b', 'c'].map((value, index) => produce(topic, value, '-p', String(index))))
  const { stdout } = await consume(topic, '-e', '-p', '0', '-p', '2')
  t.same(stdout.toString().trimEnd().split('\n').sort(), ['a', 'c'])
  t.equal((await consume(topic, '-e', '-p', '3')).code, 3)
})

t.test('sluice consume: goes on with new records until told to stop', async t => {
  const topic = await newTopic()
  const process = new CommandProcess(['consume', topic, ...BROKERS])
  await produce(topic, 'early\n')
  await process.printed('early\n')
  await produce(topic, 'late\n')
  await process.printed('late\n')
  process.child.kill('SIGINT')
  t.equal((await process.exited).code, 0)
})

t.test('sluice consume: a reader of the pipe that goes ends it quietly', async t => {
  const topic = await newTopic()
  await produce(topic, 'line\n'.repeat(100_000))
  const process = new CommandProcess(['consume', topic, ...BROKERS])
  process.child.stdout!.once('data', () => process.child.stdout!.destroy())
  const { code, stderr } = await process.exited
  t.equal(code, 0)
  t.equal(stderr, '')
})

t.test('sluice consume -g: prints each record once over several runs, commits, leaves the group', async t => {
  const topic = await newTopic(3)
  const lines = Array.from({ length: 3000 }, (_, index) => `${index}`)
  await produce(topic, `${lines.join('\n')}\n`, '-k', '\n')
  const first = await consume(topic, '-g', 'readers', '-n', '1000')
  t.equal(first.code, 0)
  const second = await consume(topic, '-g', 'readers', '-e', '-f', '%v\\n')
  const printed = `${first.stdout.toString()}${second.stdout.toString()}`.trimEnd().split('\n').map(Number)
  t.same(printed.sort((a, b) => a - b), lines.map(Number))
  t.equal((await consume(topic, '-g', 'readers', '-e')).stdout.length, 0)
  const lag = await runCommand(['group', 'lag', 'readers', '-o', 'json', ...BROKERS])
  const rows = JSON.parse(lag.stdout.toString()) as { lag: number, memberId: string | null, committedOffset: number }[]
  t.equal(rows.length, 3)
  t.ok(rows.every(row => row.lag === 0 && row.memberId === null))
  t.equal(rows.reduce((sum, row) => sum + row.committedOffset, 0), 3000)
})

t.test('sluice consume -g: members share the topic, each record is printed once', async t => {
  const topic = await newTopic(4)
  await produce(topic, Array.from({ length: 4000 }, (_, index) => `k${index}:${index}\n`).join(''), '-k', ':')
  const results = await Promise.all([1, 2, 3].map(() => consume(topic, '-g', 'shared', '-e')))
  t.same(results.map(result => result.code), [0, 0, 0])
  const printed = Buffer.concat(results.map(result => result.stdout)).toString().trimEnd().split('\n').map(Number)
  t.same(printed.sort((a, b) => a - b), Array.from({ length: 4000 }, (_, index) => index))
})

t.test('sluice consume -g: a stop by signal commits what was printed', async t => {
  const topic = await newTopic()
  await produce(topic, 'a\nb\n')
  const process = new CommandProcess(['consume', topic, '-g', 'stopped', ...BROKERS])
  await process.printed('b\n')
  process.child.kill('SIGTERM')
  t.equal((await process.exited).code, 0)
  await produce(topic, 'c\n')
  t.equal((await consume(topic, '-g', 'stopped', '-e')).stdout.toString(), 'c\n')
})

t.test('sluice produce, consume: mistakes', async t => {
  const topic = await newTopic()
  const cases: [number, RegExp, string[]][] = [
    [3, /UNKNOWN_TOPIC/, ['produce', 'nowhere', ...BROKERS]],
    [3, /UNKNOWN_TOPIC/, ['consume', 'nowhere', '-e', ...BROKERS]],
    [3, /no partition 9/, ['produce', topic, '-p', '9', ...BROKERS]],
    [2, /not allowed/, ['produce', 'a/b', ...BROKERS]],
    [2, /not allowed/, ['consume', '../etc', ...BROKERS]],
    [2, /not allowed/, ['consume', topic, '-g', 'a b', ...BROKERS]],
    [2, /%q/, ['consume', topic, '-f', '%q', ...BROKERS]],
    [2, /--offset/, ['consume', topic, '-o', 'yesterday', ...BROKERS]],
    [2, /--grep/, ['consume', topic, '--grep', '(', ...BROKERS]],
    [2, /exclude each other/, ['consume', topic, '-g', 'x', '-p', '0', ...BROKERS]],
    [2, /missing required argument/, ['produce', ...BROKERS]],
    [2, /too many arguments/, ['consume', topic, 'more', ...BROKERS]],
    [2, /Allowed choices/, ['produce', topic, '--acks', 'all', ...BROKERS]],
    [2, /key separator/, ['produce', topic, '-k', '', ...BROKERS]],
  ]
  for (const [code, pattern, args] of cases) {
    const result = args[0] === 'produce' ? await runCommand(args) : await runHere(args)
    t.equal(result.code, code, args.join(' '))
    t.match(result.stderr, pattern)
    t.equal(result.stdout.length, 0, 'nothing on standard output')
  }
})

t.test('sluice produce: records that a broker refuses are told with their reason (larger than the topic takes)', async t => {
  const topic = await newTopic()
  await client.admin.alterTopic(topic, { set: { 'max.batch.bytes': 1024 } })
  const { code, stderr } = await produce(topic, `${'x'.repeat(5000)}\n`)
  t.equal(code, 1)
  t.match(stderr, /1 of 1 records failed:\n {2}.*RECORD_TOO_LARGE/)
})
