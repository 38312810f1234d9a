// The `sluice` command as a process of its own, for tests: what it prints, byte for byte, and how it ends.

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../../../bin/sluice.js', import.meta.url))

export interface CommandResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

export class CommandProcess {
  readonly child: ChildProcess
  readonly exited: Promise<CommandResult>
  private readonly chunks: Buffer[] = []
  private said = ''
  private waiters: { text: string, resolve: () => void, reject: (error: Error) => void }[] = []

  constructor (args: readonly string[], options: { environment?: NodeJS.ProcessEnv, stdin?: 'pipe' | 'ignore' } = {}) {
    const { environment, stdin = 'pipe' } = options
    // NODE_OPTIONS: what the test runner loads into every process would double the time to start.
    const child = spawn(process.execPath, [COMMAND, ...args], {
      env: { ...process.env, NODE_OPTIONS: undefined, SLUICE_BROKERS: undefined, ...environment },
      stdio: [stdin, 'pipe', 'pipe'],
    })
    this.child = child
    child.stdin?.on('error', () => {}) // it may end before it has read everything
    child.stdout!.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk)
      this.wake()
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.said += text })
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        const result = { code, signal, stdout: Buffer.concat(this.chunks), stderr: this.said }
        const error = new Error(`it ended with ${signal ?? code} first: ${this.said}`)
        for (const waiter of this.waiters) waiter.reject(error)
        resolve(result)
      })
    })
  }

  /** What it has printed so far. */
  get output (): string { return Buffer.concat(this.chunks).toString() }

  /** Resolves when standard output contains the text. */
  async printed (text: string): Promise<void> {
    if (this.output.includes(text)) return
    await new Promise<void>((resolve, reject) => this.waiters.push({ text, resolve, reject }))
  }

  private wake (): void {
    const { output } = this
    for (const waiter of this.waiters) if (output.includes(waiter.text)) waiter.resolve()
    this.waiters = this.waiters.filter(waiter => !output.includes(waiter.text))
  }
}

/** Runs a command to its end. */
export async function runCommand (
  args: readonly string[], input: string | Buffer = '', environment?: NodeJS.ProcessEnv,
): Promise<CommandResult> {
  const process = new CommandProcess(args, { environment })
  process.child.stdin!.end(input)
  return await process.exited
}
