// A consuming process, as the run sees it. Only processes started here are ever signalled, each by its own pid.

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WorkerSetup } from './worker-main.js'

const PROGRAM = fileURLToPath(new URL('./worker-main.js', import.meta.url))
const STDERR_CHARS_MAX = 64 * 1024
const STOP_MS = 20_000

/** `S`: what it is told to do, which its program has as its one argument, as JSON. */
export class WorkerProcess<S extends { readonly name: string } = WorkerSetup> {
  readonly setup: S
  readonly exited: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
  private readonly child: ChildProcess
  private log = ''

  constructor (setup: S, program = PROGRAM) {
    this.setup = setup
    this.child = spawn(process.execPath, [program, JSON.stringify(setup)], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log = (this.log + text).slice(-STDERR_CHARS_MAX)
    })
    const killWithParent = (): void => this.signal('SIGKILL')
    process.on('exit', killWithParent)
    this.exited = new Promise(resolve => this.child.once('close', (code, signal) => {
      process.off('exit', killWithParent)
      resolve({ code, signal })
    }))
  }

  /** What it wrote to standard error, the last part of it where that is long. */
  get stderr (): string { return this.log }

  get isGone (): boolean { return this.child.exitCode !== null || this.child.signalCode !== null }

  signal (signal: NodeJS.Signals): void {
    if (!this.isGone) this.child.kill(signal)
  }

  async kill (): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  /** Lets it finish what it has begun; the answer is what went wrong, or null. */
  async stop (withinMs = STOP_MS): Promise<string | null> {
    this.signal('SIGCONT')
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), withinMs)
    const { code, signal } = await this.exited
    clearTimeout(timer)
    return code === 0 ? null : `${this.setup.name} ended with ${signal ?? `exit code ${code}`}:\n${this.log}`
  }
}
