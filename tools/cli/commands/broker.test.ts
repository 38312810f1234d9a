import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CommandProcess, runCommand } from '../testing/command-process.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-broker-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('sluice broker: one ready line on standard output, exit code 0 on SIGTERM and on SIGINT', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const broker = new CommandProcess(['broker', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0'])
    await broker.printed('ready')
    broker.child.kill(signal)
    const { code, stdout } = await broker.exited
    t.equal(code, 0)
    t.match(stdout.toString(), /^sluice broker 1 ready on 127\.0\.0\.1:[1-9]\d*, data in .*\n$/)
  }
})

t.test('sluice broker: a signal before it is ready ends it too', async t => {
  const broker = new CommandProcess(['broker', '--data', join(folder, 'early'), '--listen', '127.0.0.1:0'])
  broker.child.kill('SIGTERM')
  const { code, signal } = await broker.exited
  t.ok(code === 0 || signal === 'SIGTERM')
})

t.test('sluice broker: a port that is taken', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => server.close())
  const listen = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, stderr, stdout } = await runCommand(['broker', '--data', join(folder, 'taken'), '--listen', listen])
  t.equal(code, 1)
  t.equal(stdout.length, 0, 'no ready line')
  t.match(stderr, /^sluice broker: cannot listen on .*: the port is taken \(EADDRINUSE\); stop .* --listen\n$/)
})

t.test('sluice broker: a folder that is not its own', async t => {
  const foreign = mkdtempSync(join(folder, 'foreign-'))
  writeFileSync(join(foreign, 'letter.txt'), 'dear all')
  const { code, stderr } = await runCommand(['broker', '--data', foreign, '--listen', '127.0.0.1:0'])
  t.equal(code, 1)
  t.match(stderr, /^sluice broker: .* is not a Sluice data folder: .*letter\.txt.*\n$/)
})

t.test('sluice broker: a folder that another broker uses', async t => {
  const data = join(folder, 'used')
  const first = new CommandProcess(['broker', '--data', data, '--listen', '127.0.0.1:0'])
  await first.printed('ready')
  const { code, stderr } = await runCommand(['broker', '--data', data, '--listen', '127.0.0.1:0'])
  t.equal(code, 1)
  t.match(stderr, new RegExp(`${first.child.pid}`), 'says which process')
  first.child.kill('SIGTERM')
  t.equal((await first.exited).code, 0)
})

t.test('sluice broker: options that make no sense are all told at once, exit code 2', async t => {
  const { code, stderr } = await runCommand(['broker', '--listen', 'nowhere', '--max-connections', 'many'])
  t.equal(code, 2)
  t.match(stderr, /data is missing/)
  t.match(stderr, /listen is "nowhere"/)
  t.match(stderr, /max-connections is "many"/)
  const unknown = await runCommand(['broker', '--colour', 'red'])
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /unknown option '--colour'/)
})

t.test('sluice broker --print-config: every option with its source; flag before environment before file', async t => {
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ rack: 'file', 'open-files': 100, 'max-connections': 5 }))
  const { code, stdout } = await runCommand(['broker', '--print-config', '--config', file, '--rack', 'flag'], '',
    { SLUICE_RACK: 'environment', SLUICE_OPEN_FILES: '200' })
  t.equal(code, 0)
  t.match(stdout.toString(), /^rack +flag {2}\(flag\)$/m)
  t.match(stdout.toString(), /^open-files +200 {2}\(environment\)$/m)
  t.match(stdout.toString(), /^max-connections +5 {2}\(file\)$/m)
  t.match(stdout.toString(), /^id +1 {2}\(default\)$/m)
})

t.test('sluice broker: stops when npm exec has gone', async t => {
  // A shell that ends without waiting stands for one that was told to end.
  const broker = new CommandProcess(['broker', '--data', join(folder, 'launched'), '--listen', '127.0.0.1:0'])
  t.teardown(() => broker.child.kill('SIGKILL'))
  await broker.printed('ready')
  t.equal(broker.child.exitCode, null, 'without npm it minds nobody')
  broker.child.kill('SIGTERM')
  await broker.exited
  const { spawn } = await import('node:child_process')
  const command = new URL('../../../bin/sluice.js', import.meta.url).pathname
  const shell = spawn('/bin/sh', ['-c', '"$0" "$@" & echo $!; sleep 60', process.execPath, command,
    'broker', '--data', join(folder, 'launched'), '--listen', '127.0.0.1:0'],
  { env: { ...process.env, npm_command: 'exec' }, stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  await new Promise<void>(resolve => shell.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (said.includes('ready')) resolve()
  }))
  shell.kill('SIGKILL')
  const pid = Number(/^\d+/.exec(said)![0])
  while (isRunning(pid)) await new Promise(resolve => setTimeout(resolve, 50))
  t.pass('the broker has ended')
})

function isRunning (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
