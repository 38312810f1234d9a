// queue: the life of a queue as a script lives it, and what the commands say to mistakes.

import { startTestBroker } from '@sluice/broker/testing'
import t from 'tap'
import { CommandProcess, runCommand, type CommandResult } from '../testing/command-process.js'
import { runHere } from '../testing/run-here.js'

// A process for each command, and there are many.
t.setTimeout(600_000)

const broker = await startTestBroker()
t.teardown(() => broker[Symbol.asyncDispose]())

/** In a process of its own where it reads standard input or prints records. */
function sluice (args: readonly string[], stdin = ''): Promise<CommandResult> {
  const environment = { SLUICE_BROKERS: broker.address }
  const inProcess = stdin === '' && !args.includes('-') && !['send', 'receive', 'peek'].includes(args[0]!)
  return inProcess ? runHere(['queue', ...args], environment) : runCommand(['queue', ...args], stdin, environment)
}

async function ok (args: readonly string[], stdin = ''): Promise<CommandResult> {
  const result = await sluice(args, stdin)
  if (result.code !== 0) throw new Error(`sluice queue ${args.join(' ')} ended with ${result.code}: ${result.stderr}`)
  return result
}

function lines<T> (result: CommandResult): T[] {
  return result.stdout.toString().split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T)
}

function parsed<T> (result: CommandResult): T {
  return JSON.parse(result.stdout.toString()) as T
}

interface Leased { id: string, key: string, value: string, deliveries: number, handle: string }
interface Stats { waiting: number, leased: number, inFlight: number, dead: number }

async function stats (name: string): Promise<Stats> {
  return parsed<Stats>(await ok(['stats', name, '-o', 'json']))
}

t.test('sluice queue: records are sent, received, acknowledged, retried', async t => {
  const created = await ok(['create', 'life', '--partitions', '2', '--visibility', '30s', '--backoff', '10ms'])
  t.equal(created.stdout.length, 0, 'a message is not data')
  t.match(created.stderr, /created queue life with 2 partitions/)
  t.match(parsed(await ok(['list', '-o', 'json'])), [{ name: 'life', partitions: 2 }])
  t.match(parsed(await ok(['describe', 'life', '-o', 'json'])),
    { kind: 'queue', settings: { 'visibility.ms': '30000', 'backoff.min.ms': '10', 'backoff.max.ms': '10' } })

  const sent = await ok(['send', 'life', '-k', ':', '-o', 'jsonl'], 'a:one\nb:two\nc:three\n')
  t.equal(lines(sent).length, 3)
  t.match(sent.stderr, /sent 3 records/)
  t.match(await stats('life'), { waiting: 3, leased: 0, inFlight: 0, dead: 0 })

  const received = lines<Leased>(await ok(['receive', 'life', '-n', '10', '--wait', '0', '-o', 'jsonl']))
  t.same(received.map(record => `${record.key}:${record.value}`).sort(), ['a:one', 'b:two', 'c:three'])
  t.match(await stats('life'), { waiting: 0, leased: 3, inFlight: 3 })
  const [first, second, third] = received as [Leased, Leased, Leased]

  t.match(parsed(await ok(['extend', 'life', first.handle, '--for', '1m', '-o', 'json'])), [{ outcome: 'ok' }])
  t.match(parsed(await ok(['ack', 'life', first.handle, '-o', 'json'])), [{ handle: first.handle, outcome: 'ok' }])
  t.match(parsed(await ok(['ack', 'life', first.handle, '-o', 'json'])), [{ outcome: 'already-settled' }], 'twice is no error')
  await ok(['nack', 'life', second.handle, '--delay', '0', '--reason', 'mail server is down'])
  await ok(['release', 'life', '-'], `${third.handle}\n`)

  const again = lines<Leased>(await ok(['receive', 'life', '-n', '10', '--wait', '5s', '--ack', '-o', 'jsonl']))
  t.same(again.map(({ id, deliveries }) => `${id} ${deliveries}`).sort(), [second, third].map(({ id }) => `${id} 2`).sort())
  t.match(await stats('life'), { waiting: 0, leased: 0, acknowledged: 3 })
  t.match(await ok(['receive', 'life']), { stderr: /no record came/ })
})

t.test('sluice queue: delays, dedup ids, cancel, reschedule, explain, peek', async t => {
  await ok(['create', 'later', '--partitions', '1'])
  await ok(['send', 'later', '--delay', '1h', '--dedup-id', 'reminder', '-q'], 'remember\n')
  const twice = lines<{ id: string, duplicate: boolean }>(
    await ok(['send', 'later', '--dedup-id', 'reminder', '-o', 'jsonl'], 'remember\n'))
  t.match(twice, [{ id: '0:0', duplicate: true }])
  await ok(['send', 'later', '--at', new Date(Date.now() + 3_600_000).toISOString()], 'second\n')

  t.match(await ok(['receive', 'later']), { stderr: /no record came/ })
  const explained = await ok(['explain', 'later', '--dedup-id', 'reminder', '-o', 'json'])
  t.match(parsed(explained), { id: '0:0', state: 'delayed', deliveries: 0 })
  t.match((await ok(['explain', 'later', '--offset', '0:0'])).stdout.toString(), /delayed for another 1\.0 h|delayed for another \d+\.\d min/)
  const delayed = lines<{ state: string, value: string }>(await ok(['peek', 'later', '--state', 'delayed', '-o', 'jsonl']))
  t.match(delayed, [{ state: 'delayed', value: 'remember' }, { state: 'delayed', value: 'second' }])

  t.match(await ok(['reschedule', 'later', '--dedup-id', 'reminder', '--delay', '0']), { stderr: /reminder: done/ })
  const [due] = lines<Leased>(await ok(['receive', 'later', '--wait', '5s', '-o', 'jsonl'])) as [Leased]
  t.equal(due.value, 'remember')
  t.match(parsed(await ok(['explain', 'later', '--offset', '0:0', '-o', 'json'])), { state: 'leased', deliveries: 1 })
  await ok(['ack', 'later', due.handle])
  const last = lines<{ id: string }>(await ok(['peek', 'later', '-o', 'jsonl']))
  t.equal(last.length, 1)
  await ok(['cancel', 'later', '--offset', last[0]!.id])
  t.same(lines(await ok(['peek', 'later', '-o', 'jsonl'])), [])
  t.match(await sluice(['cancel', 'later', '--dedup-id', 'nobody']), { code: 3, stderr: /no such record/ })
})

t.test('sluice queue: settings are changed by the options that made them', async t => {
  await ok(['create', 'changed', '--visibility', '1m'])
  t.match(await ok(['alter', 'changed', '--visibility', '5s', '--max-attempts', '7', '--backoff', '1s..2s']), { stderr: /changed/ })
  t.match(parsed(await ok(['describe', 'changed', '-o', 'json'])),
    { settings: { 'visibility.ms': '5000', 'max.attempts': '7', 'backoff.max.ms': '2000' } })
  t.match(await sluice(['alter', 'changed', '--ordered']), { code: 1, stderr: /order/ })
})

t.test('sluice queue: a table of received records is for people', async t => {
  await ok(['create', 'read', '--partitions', '1'])
  await ok(['send', 'read', '-q'], 'x\n')
  t.match((await ok(['receive', 'read', '--wait', '5s', '-o', 'table'])).stdout.toString(), /^0:0 +\d{4}-\d\d-\d\dT[\d:.]+Z /m)
})

t.test('sluice queue: pause, resume, purge', async t => {
  await ok(['create', 'stop', '--partitions', '2'])
  await ok(['send', 'stop'], 'one\ntwo\n')
  await ok(['pause', 'stop'])
  t.match(await ok(['receive', 'stop']), { stderr: /no record came/ })
  t.match(await stats('stop'), { paused: true, waiting: 2 })
  await ok(['resume', 'stop'])
  t.match(await sluice(['purge', 'stop']), { code: 2, stderr: /--yes/ })
  t.match(await ok(['purge', 'stop', '--dry-run']), { stderr: /would end about 2 records/ })
  t.match(await ok(['purge', 'stop', '--yes']), { stderr: /ended 2 records/ })
  t.match(await ok(['receive', 'stop']), { stderr: /no record came/ })
  t.match(await sluice(['resume', 'stop', '--key', 'free']), { code: 3, stderr: /not stopped/ })
  await ok(['delete', 'stop', '--yes'])
  t.match(await sluice(['stats', 'stop']), { code: 3, stderr: /UNKNOWN_TOPIC/ })
})

t.test('sluice queue: what fails too often becomes a dead letter, and comes back', async t => {
  await ok(['create', 'jobs-dead', '--partitions', '1'])
  await ok(['create', 'jobs', '--partitions', '1', '--max-attempts', '2', '--backoff', '1ms', '--dead-letter', 'jobs-dead'])
  await ok(['send', 'jobs', '-k', ':'], 'k1:bad\nk2:good\n')
  for (let attempt = 1; attempt <= 2; attempt++) {
    const records = lines<Leased>(await ok(['receive', 'jobs', '-n', '2', '--wait', attempt === 1 ? '0' : '2s', '-o', 'jsonl']))
    for (const { handle, value } of records) {
      if (value === 'good') await ok(['ack', 'jobs', handle])
      else await ok(['nack', 'jobs', handle, '--delay', '0', '--reason', 'no such job'])
    }
  }
  const [letter] = lines<Leased>(await ok(['receive', 'jobs-dead', '--wait', '10s', '-o', 'jsonl'])) as [Leased]
  t.match(letter, { key: 'k1', value: 'bad' })
  await ok(['release', 'jobs-dead', letter.handle])
  t.match((await ok(['explain', 'jobs', '--offset', '0:0'])).stdout.toString(), /dead|given up|no longer known/)
  t.match(await ok(['redrive', 'jobs-dead', '--dry-run']), { stderr: /would move 1 record/ })
  t.match(await sluice(['redrive', 'jobs-dead']), { code: 2, stderr: /--yes/ })
  t.match(await ok(['redrive', 'jobs-dead', '--yes']), { stderr: /done: 1 record moved/ })
  t.match(parsed(await ok(['redrive', 'jobs-dead', '--list', '-o', 'json'])), [{ state: 'done', moved: 1 }, { dryRun: true }])
  const [back] = lines<Leased>(await ok(['receive', 'jobs', '--wait', '5s', '--ack', '-o', 'jsonl'])) as [Leased]
  t.match(back, { key: 'k1', value: 'bad', deliveries: 1 })
})

t.test('sluice queue: mistakes are told with what to do', async t => {
  // Long enough for all commands on a busy machine: the record stays leased.
  await ok(['create', 'there', '--partitions', '1', '--visibility', '1h'])
  const handle = lines<Leased>((await ok(['send', 'there'], 'x\n'), await ok(['receive', 'there', '-o', 'jsonl'])))[0]!.handle
  const cases: [number, RegExp, string[]][] = [
    [1, /exists already/, ['create', 'there']],
    [0, /there already/, ['create', 'there', '--if-not-exists']],
    [2, /duration/, ['create', 'x', '--visibility', 'soon']],
    [2, /from 1s to 12h/, ['create', 'x', '--visibility', '13h']],
    [1, /1.*1,?000/, ['create', 'x', '--max-attempts', '0']],
    [2, /begin above its end/, ['create', 'x', '--backoff', '5m..1s']],
    [2, /choose one/, ['create', 'x', '--ordered', '--order', 'fair']],
    [2, /given twice/, ['create', 'x', '--visibility', '5s', '--set', 'visibility.ms=10s']],
    [3, /UNKNOWN_TOPIC/, ['send', 'nowhere']],
    [3, /UNKNOWN_TOPIC/, ['receive', 'nowhere']],
    [2, /exclude each other/, ['send', 'there', '--delay', '1s', '--at', '2026-12-24']],
    [2, /--wait/, ['receive', 'there', '--wait', '2h']],
    [2, /is no lease handle/, ['ack', 'there', 'nonsense']],
    [2, /is no lease handle/, ['ack', 'there', handle.slice(0, -1)]],
    [2, /missing required argument/, ['ack', 'there']],
    [2, /no handle came/, ['ack', 'there', '-']],
    [2, /required option.*--for/, ['extend', 'there', handle]],
    [2, /name one record/, ['cancel', 'there']],
    [2, /PARTITION:OFFSET/, ['cancel', 'there', '--offset', 'x']],
    [2, /not one of queue/, ['explain', 'there', '--offset', '7:0']],
    [3, /no such record/, ['explain', 'there', '--offset', '0:99']],
    [1, /its own dead letters/, ['create', 'x', '--dead-letter', 'x']],
    [1, /known are visibility\.ms/, ['create', 'x', '--set', 'visibilty.ms=5s']],
    [3, /with sluice topic create or sluice queue create/, ['stats', 'nowhere']],
    [2, /say when/, ['reschedule', 'there', '--offset', '0:0']],
    [1, /leased: nothing was changed/, ['reschedule', 'there', '--offset', '0:0', '--delay', '1m']],
    [2, /--skip goes with --key/, ['resume', 'there', '--skip']],
    [2, /Allowed choices/, ['peek', 'there', '--state', 'sleepy']],
    [2, /from 0 to 365d/, ['send', 'there', '--delay', '366d']],
    [2, /from 1ms to 365d/, ['send', 'there', '--ttl', '366d']],
    [2, /from 0 to 365d/, ['reschedule', 'there', '--offset', '0:0', '--delay', '-1s']],
    [2, /from 0 to 365d/, ['nack', 'there', handle, '--delay', '366d']],
    [2, /from 1ms to 12h/, ['extend', 'there', handle, '--for', '13h']],
    [2, /from 1s to 12h/, ['create', 'x', '--visibility', '0']],
    [1, /must be a whole number, 1 to 1000/, ['alter', 'there', '--max-attempts', '-3']],
    [2, /nothing to change/, ['alter', 'there']],
  ]
  for (const [code, message, args] of cases) {
    const result = await sluice(args)
    t.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`)
    t.match(result.stderr, message, args.join(' '))
    t.notMatch(result.stderr, /should not happen/, args.join(' '))
  }
})

t.test('sluice queue: send goes on when nobody reads its output any more', async t => {
  await ok(['create', 'piped', '--partitions', '1'])
  const command = new CommandProcess(['queue', 'send', 'piped', '-o', 'jsonl'], { environment: { SLUICE_BROKERS: broker.address } })
  command.child.stdout!.destroy()
  command.child.stdin!.end('line\n'.repeat(20_000))
  const { code, stderr } = await command.exited
  t.equal(code, 0, stderr)
  t.match(stderr, /^sent 20,000 records/)
  t.match(await stats('piped'), { waiting: 20_000 })
})
