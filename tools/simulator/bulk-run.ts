// Many seeds on several cores, with little to say; goes on where it was stopped.
//
//   seeds ─ in ranges ─▶ processes, one per job ─▶ totals of each range ─ in order ─▶ totals so far ─▶ progress file
//
// Ranges count in the order of their seeds: what stands in the file is all of the seeds below `next`, and nothing else.

import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UsageError } from './arguments.js'
import type { SeedRange } from './simulate.js'
import { addTotals, describeTotals, noTotals, type SeedTotals } from './seed-totals.js'

export interface BulkOptions {
  readonly from: number
  readonly seeds: number
  /** Processes at once. */
  readonly jobs: number
  readonly twice: boolean
  /** Begins no range after so long. */
  readonly secondsMax: number
  /** Where it stands, for the next time; left out: nowhere. */
  readonly progressPath?: string | undefined
  readonly report: (line: string) => void
}

/** What the file holds. */
interface Progress { readonly from: number, readonly next: number, readonly totals: SeedTotals }

const RANGE_SEEDS = 25
const REPORT_MS = 30_000
/**
 * What runs hot here is thousands of functions, each now and then: code that is dropped where it was not used for a
 * while is compiled again and again. And a process has a core of its own, and no other to collect its garbage on.
 */
const WORKER_FLAGS = ['--no-flush-bytecode', '--single-threaded-gc', '--max-semi-space-size=64']
const WORKER = fileURLToPath(new URL('./bulk-worker.js', import.meta.url))

export class BulkRun {
  private readonly options: BulkOptions
  private readonly totals: SeedTotals
  private readonly done = new Map<number, SeedTotals>()
  private readonly endSeed: number
  private readonly startMs = performance.now()
  private reportedMs = performance.now()
  /** The first seed that no process has been given yet. */
  private given: number
  /** The first seed that is not counted yet. */
  private next: number

  /** @throws UsageError where the file of progress is of other seeds. */
  constructor (options: BulkOptions) {
    this.options = options
    const known = options.progressPath === undefined ? null : readProgress(options.progressPath)
    if (known !== null && known.from !== options.from) {
      throw new UsageError(`${options.progressPath!} stands for the seeds from ${known.from} on: go on with --from ${known.from}, or name another file`)
    }
    this.totals = known?.totals ?? noTotals()
    this.given = this.next = known?.next ?? options.from
    this.endSeed = options.from + options.seeds
  }

  /** Resolves with all that is counted, what the file held included. */
  async run (): Promise<SeedTotals> {
    await Promise.all(Array.from({ length: this.options.jobs }, () => this.work()))
    return this.totals
  }

  private async work (): Promise<void> {
    const child = fork(WORKER, this.options.twice ? ['twice'] : [], { execArgv: WORKER_FLAGS })
    try {
      for (let range = this.take(); range !== null; range = this.take()) {
        this.count(range, await ask(child, range))
      }
    } finally {
      child.disconnect()
    }
  }

  private take (): SeedRange | null {
    const isOver = performance.now() - this.startMs >= this.options.secondsMax * 1_000
    if (isOver || this.given >= this.endSeed) return null
    const range = { from: this.given, count: Math.min(RANGE_SEEDS, this.endSeed - this.given) }
    this.given += range.count
    return range
  }

  private count ({ from }: SeedRange, part: SeedTotals): void {
    for (const { seed, message } of part.failed) {
      this.options.report(`FAILED seed ${seed}: ${message}\n  replay: npm run sim -- --seed ${seed}`)
    }
    this.done.set(from, part)
    for (let ready = this.done.get(this.next); ready !== undefined; ready = this.done.get(this.next)) {
      this.done.delete(this.next)
      this.next += ready.seeds
      addTotals(this.totals, ready)
    }
    this.save()
    if (performance.now() - this.reportedMs < REPORT_MS) return
    this.reportedMs = performance.now()
    this.options.report(`up to seed ${this.next - 1}: ${describeTotals(this.totals)}`)
  }

  private save (): void {
    const { progressPath, from } = this.options
    if (progressPath === undefined) return
    const progress: Progress = { from, next: this.next, totals: this.totals }
    writeFileSync(`${progressPath}.new`, JSON.stringify(progress))
    renameSync(`${progressPath}.new`, progressPath)
  }
}

function readProgress (path: string): Progress | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Progress
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Has a process run a range. One that dies ends it all: the seed is among those of the range. */
function ask (child: ChildProcess, range: SeedRange): Promise<SeedTotals> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the process with seeds ${range.from} to ${range.from + range.count - 1} has ended: ${code}`))
    }
    child.once('exit', onExit)
    child.once('message', totals => {
      child.off('exit', onExit)
      resolve(totals as SeedTotals)
    })
    child.send(range)
  })
}
