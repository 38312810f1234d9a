// A process of a benchmark, as seen by the one that runs it.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BenchError } from '../bench-error.js'
import type { AnswerMessage } from './calls.js'

/** How a child is started. */
export interface ChildOptions {
  /** Value of UV_THREADPOOL_SIZE: file operations at once. */
  readonly threads?: number
  /** Folder for a profile of the processor, written when the child ends. */
  readonly profileDirectory?: string
}

/** A child that has not ended by then is killed. */
const STOP_TIMEOUT_MS = 15_000

type Argument<Calls, Name extends keyof Calls> = Calls[Name] extends { argument: infer Value } ? Value : never
type Result<Calls, Name extends keyof Calls> = Calls[Name] extends { result: infer Value } ? Value : never

/** See the head of this file. */
export class Child<Calls> {
  readonly process: ChildProcess
  private readonly name: string
  private readonly waiting = new Map<number, { resolve: (result: unknown) => void, reject: (error: Error) => void }>()
  private readonly exited: Promise<unknown>
  private nextId = 0
  private stopping = false

  /** @param module file name of the child's program, beside this file. */
  constructor (module: string, args: readonly string[], options: ChildOptions = {}) {
    const { threads, profileDirectory } = options
    this.name = module.replace('-main.js', '')
    const profile = profileDirectory === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`, `--cpu-prof-name=${this.name}-${Date.now()}.cpuprofile`]
    this.process = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
      execArgv: profile,
      env: { ...process.env, ...(threads === undefined ? {} : { UV_THREADPOOL_SIZE: String(threads) }) },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    this.process.on('message', (answer: AnswerMessage) => this.onAnswer(answer))
    this.process.on('error', error => this.failAll(error))
    this.exited = once(this.process, 'exit').then(([code, signal]) => {
      this.failAll(new BenchError(1, `the ${this.name} process ended with ${signal ?? `code ${code}`}`))
    })
  }

  /** Calls the child. @throws Error as a rejection: the child's fault, or its end. */
  call<Name extends keyof Calls & string> (call: Name, argument: Argument<Calls, Name>): Promise<Result<Calls, Name>> {
    return new Promise((resolve, reject) => {
      if (this.process.exitCode !== null || !this.process.connected) {
        return reject(new BenchError(1, `the ${this.name} process has ended`))
      }
      const id = this.nextId++
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.process.send({ id, call, argument })
    })
  }

  /** Resolves with the first line of its standard output. */
  firstLine (): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = ''
      this.waiting.set(this.nextId++, { resolve: () => {}, reject })
      this.process.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
      })
    })
  }

  /** Ends the child by SIGTERM and waits for it. */
  async stop (): Promise<void> {
    this.stopping = true
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.exited
    clearTimeout(timer)
  }

  /** Kills the child as a crash does; resolves when it is gone. */
  async kill (): Promise<void> {
    this.stopping = true
    this.process.kill('SIGKILL')
    await this.exited
  }

  /** Kills the child; whoever waits for it is told `reason`. */
  abandon (reason: string): void {
    this.failAll(new BenchError(1, reason))
    this.process.kill('SIGKILL')
  }

  private onAnswer (answer: AnswerMessage): void {
    const waiter = this.waiting.get(answer.id)
    this.waiting.delete(answer.id)
    if ('fault' in answer) waiter?.reject(new BenchError(1, `the ${this.name} process: ${answer.fault}`))
    else waiter?.resolve(answer.result)
  }

  private failAll (error: Error): void {
    for (const { reject } of this.waiting.values()) if (!this.stopping) reject(error)
    this.waiting.clear()
  }
}
