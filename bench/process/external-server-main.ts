// Stands between the runner and a server that is not ours: starts it, says when it takes connections, watches it, and
// ends it, also where the runner is lost: then its files go too, since nobody else could remove them. Its first line of
// output is `ready`, or what went wrong.
//
//   argument 1   an ExternalServerSpec as JSON

import { spawn, type ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { ExternalProbe, processesBelow } from '../measure/external-probe.js'
import { answerCalls } from './calls.js'
import type { ExternalServerCalls, ExternalServerSpec } from './external-server.js'

const POLL_MS = 25
const READY_TIMEOUT_MS = 60_000
const SAID_CHARACTERS = 600

/** What a process that was killed still writes is gone within this many attempts, each 20 ms later than the last. */
const REMOVAL = { recursive: true, force: true, maxRetries: 15, retryDelay: 20 } as const

const { commands, servers = 1, ports, folder } = JSON.parse(process.argv[2]!) as ExternalServerSpec
const children: ChildProcess[] = []
const state: { said: string, ended: string | null } = { said: '', ended: null }

process.on('exit', killChildren)
for (const { command, args, directory, environment } of commands) {
  const child = spawn(command, args, {
    cwd: directory, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => { state.said = (state.said + text).slice(-SAID_CHARACTERS) })
  }
  child.once('error', error => { state.ended ??= error.message })
  child.once('exit', (code, signal) => { state.ended ??= `${command} ended with ${signal ?? `code ${code}`}: ${state.said.trim()}` })
}
process.on('SIGTERM', () => { stop() })
process.on('disconnect', () => {
  killChildren()
  if (folder !== undefined) rmSync(folder, REMOVAL)
  process.exit(1)
})

const endMs = performance.now() + READY_TIMEOUT_MS
while (state.ended === null && performance.now() < endMs && !await takeConnections()) {
  await new Promise(resolve => { setTimeout(resolve, POLL_MS) })
}
if (state.ended === null && performance.now() >= endMs) state.ended = `it took no connection within ${READY_TIMEOUT_MS / 1000} s: ${state.said.trim()}`
const probe = new ExternalProbe(children.slice(-servers).map(({ pid }) => pid ?? 0))
answerCalls<ExternalServerCalls>({
  begin () {
    if (state.ended !== null) throw new Error(state.ended)
    probe.begin()
    return null
  },
  end () {
    if (state.ended !== null) throw new Error(state.ended)
    return probe.end()
  },
})
process.stdout.write(`${state.ended === null ? 'ready' : state.ended.replaceAll('\n', ' ')}\n`)

async function takeConnections (): Promise<boolean> {
  for (const port of ports) if (!await takesConnections(port)) return false
  return true
}

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

/** The last one first, as it was started with the help of those before. */
async function stop (): Promise<void> {
  for (const child of children.reverse()) {
    if (!isRunning(child)) continue
    const exited = new Promise(resolve => { child.once('exit', resolve) })
    child.kill('SIGTERM')
    await exited
  }
  process.exit(0)
}

function killChildren (): void {
  for (const child of children) if (isRunning(child)) killAll(child.pid!)
}

/** With what it has started: some servers are started by a script that stays. */
function killAll (root: number): void {
  for (const pid of processesBelow(root)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch { /* it has ended by itself */ }
  }
}

function isRunning ({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null
}
