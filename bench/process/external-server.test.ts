// Servers that are not ours, by a program of a few lines in their place.

import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { access, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Target } from '../load/make-load.js'
import { freePorts, startExternalServer, type ExternalServerSpec } from './external-server.js'

t.setTimeout(60_000)

const TARGET: Target = { kind: 'peer', peer: 'beanstalkd', port: 1, replicas: 1, libraries: '' }

async function specOf (t: Test, code: string): Promise<ExternalServerSpec> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-external-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const [port] = await freePorts(1)
  return { ports: [port!], commands: [{ command: process.execPath, args: ['-e', code, String(port)], directory }] }
}

const LISTEN = 'net.createServer(socket => socket.end()).listen(Number(process.argv[1]), "127.0.0.1")'
const CHILD = `child_process.spawn(process.execPath, ['-e', ${JSON.stringify(LISTEN)}, process.argv[1]], { stdio: 'inherit' })`

function takesConnections (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function untilClosed (port: number): Promise<void> {
  while (await takesConnections(port)) await new Promise(resolve => { setTimeout(resolve, 20) })
}

t.test('External server: it is ready when it takes connections, watched, and ended', async t => {
  const spec = await specOf(t, LISTEN)
  const server = await startExternalServer(spec, TARGET)
  t.equal(server.target, TARGET)
  t.ok(await takesConnections(spec.ports[0]!))
  await server.beginWindow()
  const usage = await server.endWindow()
  if (process.platform === 'linux') {
    t.ok(usage!.rssBytesMax > 2 ** 20 && usage!.cpuSeconds >= 0)
    t.equal(usage!.cpuSeconds, usage!.userSeconds + usage!.systemSeconds)
  } else t.equal(usage, null, 'nothing is known without /proc')
  await server.stop()
  t.notOk(await takesConnections(spec.ports[0]!))
})

t.test('External server: what it says where it does not start is the error (a wrong option)', async t => {
  const spec = await specOf(t, 'console.error("unknown option\\n--x"); process.exit(3)')
  await t.rejects(startExternalServer(spec, TARGET), { name: 'BenchError', message: /ended with code 3: unknown option --x$/ })
})

t.test('External server: a program that is not there is the error', async t => {
  const spec = await specOf(t, '')
  const commands = [{ ...spec.commands[0]!, command: join(spec.commands[0]!.directory, 'nothing') }]
  await t.rejects(startExternalServer({ ...spec, commands }, TARGET), { name: 'BenchError', message: /ENOENT/ })
})

t.test('External server: one that ends in a window fails the sample', async t => {
  const spec = await specOf(t, `${LISTEN}; process.stdin; setTimeout(() => process.exit(7), 300)`)
  const server = await startExternalServer(spec, TARGET)
  await untilClosed(spec.ports[0]!)
  await t.rejects(async () => { for (;;) await server.endWindow() }, /ended with code 7/)
  await server.stop()
})

t.test('External server: nothing is left of it when the one that started it is killed, children included', {
  skip: process.platform === 'linux' ? false : 'children are found by /proc',
}, async t => {
  const spec = await specOf(t, CHILD)
  const module = fileURLToPath(new URL('external-server.js', import.meta.url))
  const code = `import(${JSON.stringify(module)}).then(({ startExternalServer }) => startExternalServer(${JSON.stringify(spec)}, {}))
    .then(() => console.log('ready'))`
  const runner = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => { runner.stdout.once('data', resolve) })
  t.ok(await takesConnections(spec.ports[0]!))
  runner.kill('SIGKILL')
  await untilClosed(spec.ports[0]!)
  t.notOk(await takesConnections(spec.ports[0]!))
})

t.test('External server: its files go with it when the one that started it is killed while it starts', async t => {
  const spec = await specOf(t, 'setInterval(() => fs.mkdirSync(Date.now() + "/x", { recursive: true }), 1); console.log("here")')
  const folder = spec.commands[0]!.directory
  const module = fileURLToPath(new URL('external-server.js', import.meta.url))
  const code = `import(${JSON.stringify(module)}).then(({ startExternalServer }) =>
    startExternalServer(${JSON.stringify({ ...spec, folder })}, {}))`
  const runner = spawn(process.execPath, ['-e', code], { stdio: 'ignore' })
  while ((await readdir(folder)).length === 0) await new Promise(resolve => { setTimeout(resolve, 20) })
  runner.kill('SIGKILL')
  const isThere = (): Promise<boolean> => access(folder).then(() => true, () => false)
  while (await isThere()) await new Promise(resolve => { setTimeout(resolve, 20) })
  t.notOk(await isThere())
})
