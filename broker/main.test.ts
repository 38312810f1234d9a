// The broker as a process: what it says and which exit code it ends with.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { TestClient } from './test-client.js'

// A busy machine starts processes and syncs files slowly; nothing here is about speed.
t.setTimeout(120_000)

const SCRIPT = `
  import { runBrokerProcess } from ${JSON.stringify(new URL('./main.js', import.meta.url).href)}
  process.exitCode = await runBrokerProcess(JSON.parse(process.argv[1]))
  if (process.exitCode !== 0) process.exit()
`

interface Ended { code: number | null, signal: string | null, stdout: string, stderr: string }

interface Running { child: ChildProcess, ended: Promise<Ended>, ready: Promise<void>, output: () => string }

function run (options: object, environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, JSON.stringify(options)],
    { env: { PATH: process.env.PATH, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  const ready = new Promise<void>(resolve => {
    child.stdout!.on('data', chunk => {
      stdout += chunk
      if (stdout.includes(' ready on ')) resolve()
    })
  })
  child.stderr!.on('data', chunk => { stderr += chunk })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }) as Ended)
  return { child, ended, ready, output: () => stdout }
}

async function temporaryFolder (t: { teardown (run: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const LISTEN = '127.0.0.1:0'

t.test('runBrokerProcess: options that make no sense are all named, exit code 2', async t => {
  const flags = { listen: 'nowhere', 'open-files': '3', colour: 'red' }
  const { code, stderr } = await run({ flags }).ended
  t.equal(code, 2)
  for (const part of [/--listen/, /open-files is "3"; it must be 16 to/, /colour is not an option/, /--data DIR/]) {
    t.match(stderr, part)
  }
})

t.test('runBrokerProcess: a configuration file is checked as the command line is (no JSON, wrong kinds)', async t => {
  const folder = await temporaryFolder(t)
  const file = `${folder}/broker.json`
  await writeFile(file, '{ listen')
  t.match(await run({ flags: {}, configFile: file }).ended, { code: 2, stderr: /cannot be read: .*JSON/ })
  await writeFile(file, JSON.stringify({ listen: { port: 1 }, data: null }))
  t.match(await run({ flags: {}, configFile: file }).ended,
    { code: 2, stderr: /listen must be a text.*\n.*data must be a text/ })
})

t.test('runBrokerProcess: prints the options in force with their sources; a misspelt variable is pointed out', async t => {
  const { code, stdout, stderr } = await run({ flags: { rack: 'r1' }, printConfig: true },
    { SLUICE_OPEN_FILES: '64', SLUICE_OPENFILES: '64', SLUICE_LISTEN: '' }).ended
  t.equal(code, 0)
  t.match(stdout, /^rack +r1 +\(flag\)$/m)
  t.match(stdout, /^open-files +64 +\(environment\)$/m)
  t.match(stdout, /^listen +127\.0\.0\.1:7400 +\(default\)$/m)
  t.match(stderr, /SLUICE_OPENFILES names no option/)
  t.notMatch(stderr, /SLUICE_OPEN_FILES|SLUICE_LISTEN/)
})

t.test('runBrokerProcess: SIGTERM ends it with exit code 0; a second one on its folder with 1 and the cause', async t => {
  const data = await temporaryFolder(t)
  const first = run({ flags: { data, listen: LISTEN } })
  await first.ready
  t.match(await run({ flags: { data, listen: LISTEN } }).ended,
    { code: 1, stdout: '', stderr: /^sluice broker: .* is in use by another process .*\. Stop that process, .*\.\n$/ })
  first.child.kill('SIGTERM')
  const { code, stdout, stderr } = await first.ended
  t.equal(code, 0)
  t.match(stdout, /^sluice broker 1 ready on 127\.0\.0\.1:\d+, data in .*, pid \d+\n$/)
  const lines = stderr.trim().split('\n').map(line => JSON.parse(line) as { msg: string, broker: number, time: string })
  t.match(lines.at(-1), { msg: 'stopped', broker: 1, time: /^\d{4}-\d\d-\d\dT/ })
})

t.test('runBrokerProcess: told to stop while it starts, it stops in order', async t => {
  const data = await temporaryFolder(t)
  const starting = run({ flags: { data, listen: LISTEN, 'log-level': 'debug' } })
  // The first thing that is logged: the topics are being opened, nobody listens yet.
  await once(starting.child.stderr!, 'data')
  starting.child.kill('SIGINT')
  t.match(await starting.ended, { code: 0, signal: null, stderr: /"msg":"stopped"/ })
})

t.test('runBrokerProcess: without its control store it waits, says for what, and ends when it is told to', async t => {
  const data = await temporaryFolder(t)
  // Nobody listens on port 1.
  const waiting = run({ flags: { data, listen: LISTEN, control: 'etcd://127.0.0.1:1' } })
  await once(waiting.child.stderr!, 'data')
  waiting.child.kill('SIGTERM')
  const { code, stdout, stderr } = await waiting.ended
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /waiting for the control store.*--control/)
  t.match(stderr, /127\.0\.0\.1:1/)
})

/** Loaded before the broker: from SIGUSR2 on a sync never comes back, as on a disk whose controller is gone. */
const HANGING_DISK = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs'
  process.on('SIGUSR2', () => {
    fs.fdatasync = () => {}
    process.stderr.write('hangs\\n')
  })
`)}`

t.test('runBrokerProcess: a disk that hangs holds up a stop no longer than the bound, and it is said', async t => {
  const data = await temporaryFolder(t)
  const flags = { data, listen: LISTEN, 'shutdown-timeout': '200ms' }
  const hanging = run({ flags, closeTimeoutMs: 300 }, { NODE_OPTIONS: `--import=${HANGING_DISK}` })
  await hanging.ready
  const port = Number(/:(\d+), data/.exec(hanging.output())![1])
  using client = await TestClient.connect(port)
  const topicId = await client.createTopic('orders', 1)
  await client.produce(topicId, 0, ['acknowledged'])
  const hangs = once(hanging.child.stderr!, 'data')
  hanging.child.kill('SIGUSR2')
  await hangs
  const unanswered = client.produce(topicId, 0, ['never synced']).then(({ error }) => error, () => -1)
  hanging.child.kill('SIGTERM')
  t.match(await hanging.ended, { code: 1, signal: null, stderr: /the disk does not answer.*recovers what was acknowledged/ })
  t.not(await unanswered, ERROR.NONE, 'what was not synced is not acknowledged')

  const sound = run({ flags })
  await sound.ready
  using again = await TestClient.connect(Number(/:(\d+), data/.exec(sound.output())![1]))
  t.equal((await again.fetch(topicId, 0, 0)).records[0]!.value, 'acknowledged')
  sound.child.kill('SIGTERM')
  t.equal((await sound.ended).code, 0)
})
