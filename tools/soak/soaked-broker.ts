// A broker process under watch: what it holds, how much memory it takes at its highest, and how long it lets another
// client wait.
//
//   start ──▶ … work … ──▶ memory() ──▶ restart() ──▶ firstAnswer() ──▶ …
//               └ every 100 ms: anonymous memory        every 20 ms: a request of a bystander
//
// Anonymous memory (RssAnon) is what the process itself has taken. Pages of LMDB's map are file pages: the system drops
// them when it needs memory, so they are told apart.

import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { connect, type Client } from '@sluice/client'
import { BrokerProcess, chooseLastingPort, type BrokerProcessOptions } from '../crash/broker-process.js'
import type { MemoryFigures } from './memory-probe.js'

const SAMPLE_MS = 100
const ASK_MS = 20
const WAIT_MS = 600_000

export interface Footprint extends MemoryFigures {
  /** Anonymous memory of the process, in bytes. */
  readonly anonymous: number
}

export class SoakedBroker {
  private readonly options: BrokerProcessOptions
  private readonly checkpointMs: number
  private broker: BrokerProcess
  private readonly timer: NodeJS.Timeout
  private peakBytes = 0
  private longestWaitMs = 0
  private isEnding = false
  private watching: Promise<void> = Promise.resolve()

  private constructor (options: BrokerProcessOptions, checkpointMs: number, broker: BrokerProcess) {
    this.options = options
    this.checkpointMs = checkpointMs
    this.broker = broker
    this.timer = setInterval(() => { this.sample().catch(() => {}) }, SAMPLE_MS).unref()
    this.watch()
  }

  /**
   * Starts a broker.
   *
   * @param data folder for its data
   * @param checkpointMs how often it writes down what it knows
   * @throws BrokerStartError
   */
  static async start (data: string, checkpointMs: number): Promise<SoakedBroker> {
    const options = {
      data,
      port: await chooseLastingPort(),
      withMemoryProbe: true,
      readyTimeoutMs: WAIT_MS,
      options: { 'log-level': 'warn', 'checkpoint-interval': String(checkpointMs) },
    }
    return new SoakedBroker(options, checkpointMs, await BrokerProcess.start(options))
  }

  get address (): string { return this.broker.address }

  /** Opens a client that waits for slow answers. */
  connect (): Client {
    return connect({ brokers: [`127.0.0.1:${this.options.port}`], requestTimeoutMs: WAIT_MS, connectTimeoutMs: WAIT_MS })
  }

  /** What it holds when it has come to rest, after a collection. */
  async memoryAtRest (): Promise<Footprint> {
    await new Promise(resolve => { setTimeout(resolve, this.checkpointMs * 1.5) })
    return await this.memory()
  }

  /** What it holds now, after a collection. */
  async memory (): Promise<Footprint> {
    const figures = await this.broker.memory()
    return { ...figures, anonymous: await anonymousBytes(this.broker.pid) }
  }

  /** The highest anonymous memory since the last call, and the longest wait of a bystander, in milliseconds. */
  async takePeak (): Promise<{ anonymous: number, waitMs: number }> {
    await this.sample()
    const peak = { anonymous: this.peakBytes, waitMs: Math.round(this.longestWaitMs) }
    this.peakBytes = 0
    this.longestWaitMs = 0
    return peak
  }

  /** Bytes below its folders, by their names. */
  async diskUse (): Promise<Map<string, number>> {
    const used = new Map<string, number>()
    const { data } = this.options
    for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const kind = relative(data, path).split('/')
      const name = kind[0] === 'logs' ? `${kind[3] ?? 'other'} log` : kind[0]!
      used.set(name, (used.get(name) ?? 0) + (await stat(path)).blocks * 512)
    }
    return used
  }

  /**
   * Ends the process, by a signal that it can answer or by one that it cannot, and starts it again; or stops it and
   * takes its meta store away.
   */
  async restart (how: 'stop' | 'kill' | 'lost-meta'): Promise<{ stopMs: number, readyMs: number }> {
    await this.stopWatching()
    const startedMs = performance.now()
    if (how === 'kill') await this.broker.kill()
    else await this.broker.stop(WAIT_MS)
    const stopMs = Math.round(performance.now() - startedMs)
    this.peakBytes = this.longestWaitMs = 0
    if (how === 'lost-meta') await rm(join(this.options.data, 'meta'), { recursive: true })
    this.broker = new BrokerProcess(this.options)
    const readyMs = Math.round(await this.broker.ready)
    this.watch()
    return { stopMs, readyMs }
  }

  /** What it wrote on standard error. */
  get stderr (): string { return this.broker.stderr }

  async close (): Promise<void> {
    clearInterval(this.timer)
    await this.stopWatching()
    await this.broker.kill()
  }

  private async sample (): Promise<void> {
    this.peakBytes = Math.max(this.peakBytes, await anonymousBytes(this.broker.pid))
  }

  private watch (): void {
    this.isEnding = false
    this.watching = this.ask()
  }

  private async stopWatching (): Promise<void> {
    this.isEnding = true
    await this.watching
  }

  private async ask (): Promise<void> {
    await using client = this.connect()
    await client.ready()
    while (!this.isEnding) {
      const startedMs = performance.now()
      await client.admin.listTopics()
      this.longestWaitMs = Math.max(this.longestWaitMs, performance.now() - startedMs)
      await new Promise(resolve => { setTimeout(resolve, ASK_MS) })
    }
  }
}

async function anonymousBytes (pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) * 1024
}
