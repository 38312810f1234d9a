// A broker as users run it: a process of its own, started by the `sluice` command, that can be killed.
//
//   spawn ── ready line ──▶ serving ── SIGKILL ─▶ gone (nothing was written down on the way)
//                              └────── SIGTERM ─▶ gone, exit 0
//
// Only processes started here are ever signalled, each by its own pid.

import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { MemoryFigures } from '../soak/memory-probe.js'

const PROBE = new URL('../soak/memory-probe.js', import.meta.url).href
const COMMAND = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))
const STDERR_CHARS_MAX = 256 * 1024
const READY_TIMEOUT_MS = 60_000
const PAGE_BYTES = 4096

export interface BrokerProcessOptions {
  /** Data folder. */
  data: string
  /** Default 0: a free one. */
  port?: number
  /** Options of the broker by name: `{ 'max-connections': '10' }`. */
  options?: Readonly<Record<string, string>>
  /** In a process group of its own: Ctrl-C on a terminal is for whoever started it to pass on. */
  detached?: boolean
  /** Most memory that V8 may use for its heap, in MiB: the process dies where it needs more. */
  heapMaxMib?: number
  /** Most open files that the system grants the process. */
  openFilesMax?: number
  /** How long a start may take, in milliseconds. Default 60,000. */
  readyTimeoutMs?: number
  /** Set besides what the environment of this process has; of a `PowerLossDisk` for one. */
  environment?: Readonly<Record<string, string>>
  /** File that all of its standard error is written to as well. */
  logPath?: string
  /** Loads a probe beside the broker, for `memory`. */
  withMemoryProbe?: boolean
}

/** How a process ended. */
export interface BrokerExit { readonly code: number | null, readonly signal: NodeJS.Signals | null }

/** The process ended, or was silent, before it was ready. */
export class BrokerStartError extends Error {
  readonly exit: BrokerExit | null
  readonly stderr: string

  constructor (exit: BrokerExit | null, stderr: string, timeoutMs: number) {
    super(exit === null
      ? `the broker was not ready after ${timeoutMs} ms:\n${stderr}`
      : `the broker ended with ${exit.signal ?? `exit code ${exit.code}`} before it was ready:\n${stderr}`)
    this.name = 'BrokerStartError'
    this.exit = exit
    this.stderr = stderr
  }
}

export class BrokerProcess {
  /** Resolves with the time from the start of the process to its ready line, in ms. @throws BrokerStartError */
  readonly ready: Promise<number>
  /** Resolves when the process is gone. */
  readonly exited: Promise<BrokerExit>
  private readonly child: ChildProcess
  private boundPort = 0
  private log = ''

  /** Starts the process without waiting for it. */
  constructor (options: BrokerProcessOptions) {
    const listen = `127.0.0.1:${options.port ?? 0}`
    const { heapMaxMib, withMemoryProbe: isProbed = false } = options
    const args = [
      ...heapMaxMib === undefined ? [] : [`--max-old-space-size=${heapMaxMib}`],
      ...isProbed ? ['--expose-gc', '--import', PROBE] : [],
      COMMAND, 'broker', '--data', options.data, '--listen', listen, '--log-format', 'json',
    ]
    for (const [name, text] of Object.entries(options.options ?? {})) args.push(`--${name}`, text)
    const limited = options.openFilesMax !== undefined
    // `exec` keeps the pid: what is killed is the broker, not a shell in front of it.
    this.child = spawn(limited ? '/bin/sh' : process.execPath,
      limited ? ['-c', `ulimit -n ${options.openFilesMax} && exec "$0" "$@"`, process.execPath, ...args] : args,
      {
        stdio: isProbed ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
        detached: options.detached === true,
        env: { ...process.env, ...options.environment },
      })
    const { logPath } = options
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log = (this.log + text).slice(-STDERR_CHARS_MAX)
      if (logPath !== undefined) appendFileSync(logPath, text)
    })
    // A test that fails half-way leaves no broker behind.
    const killWithParent = (): void => this.signal('SIGKILL')
    process.on('exit', killWithParent)
    this.child.once('exit', () => process.off('exit', killWithParent))
    this.exited = new Promise((resolve, reject) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }))
      this.child.once('error', reject)
    })
    this.exited.catch(() => {})
    this.ready = this.waitForReady(options.readyTimeoutMs ?? READY_TIMEOUT_MS)
    this.ready.catch(() => {})
  }

  /** Starts a broker and waits until it serves. @throws BrokerStartError */
  static async start (options: BrokerProcessOptions): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options)
    try {
      await broker.ready
    } catch (error) {
      await broker.kill()
      throw error
    }
    return broker
  }

  get pid (): number { return this.child.pid! }

  /** The port in use; 0 before it is ready. */
  get port (): number { return this.boundPort }

  /** HOST:PORT. */
  get address (): string { return `127.0.0.1:${this.boundPort}` }

  /** What it wrote to standard error, the last part of it where that is long. */
  get stderr (): string { return this.log }

  get isGone (): boolean { return this.child.exitCode !== null || this.child.signalCode !== null }

  /** Kills it without a chance to say goodbye; resolves when it is gone. */
  async kill (): Promise<BrokerExit> {
    this.signal('SIGKILL')
    return await this.exited
  }

  /** Asks it to stop, and kills it where that takes more than `withinMs`. */
  async stop (withinMs = 30_000): Promise<BrokerExit> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), withinMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }

  signal (signal: NodeJS.Signals): void {
    if (!this.isGone) this.child.kill(signal)
  }

  /** Memory of the process that is in RAM, in bytes. */
  async rssBytes (): Promise<number> {
    const statm = await readFile(`/proc/${this.pid}/statm`, 'utf8')
    return Number(statm.split(' ')[1]) * PAGE_BYTES
  }

  /** What it holds after a full garbage collection, where it was started with a probe. */
  async memory (): Promise<MemoryFigures> {
    return await new Promise((resolve, reject) => {
      this.child.once('message', figures => resolve(figures as MemoryFigures))
      this.child.send('memory', error => { if (error !== null) reject(error) })
    })
  }

  /** Open file handles of the process. */
  async openFiles (): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`)).length
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.kill()
  }

  private async waitForReady (timeoutMs: number): Promise<number> {
    const startedMs = performance.now()
    let text = ''
    const line = new Promise<void>(resolve => {
      this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
        if (this.boundPort !== 0) return
        text += chunk
        const match = / ready on \S+:(\d+),.*\n/.exec(text)
        if (match === null) return
        this.boundPort = Number(match[1])
        resolve()
      })
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => { timer = setTimeout(resolve, timeoutMs) })
    const exit = await Promise.race([line.then(() => null), this.exited, late.then(() => null)])
    clearTimeout(timer)
    if (this.boundPort === 0) throw new BrokerStartError(exit, this.log, timeoutMs)
    return performance.now() - startedMs
  }
}

/**
 * A free port of 127.0.0.1 to come back to after a restart. It lies below the range that the system takes for outgoing
 * connections: a client that keeps on connecting to a port of that range where nobody listens may end up connected
 * to itself, and then the broker cannot have its port back. No seed says which: runs beside each other would want the
 * same one.
 */
export async function chooseLastingPort (): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 30_000)
    const free = await new Promise<boolean>(resolve => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
