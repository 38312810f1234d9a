// A shell script that lives off the command line: receives and acknowledges at once, or settles what it has received by
// its handles, in another process. Its commands are killed, the script goes on.
//
//   sluice queue receive Q --ack   ✗ killed: what it has printed may be acknowledged or not
//   sluice queue receive Q ─▶ handles ─▶ sluice queue ack Q HANDLE…
//
// The script is part of the run itself: what a command has printed is known whenever it dies.

import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { REDRIVE_HEADER, decodeRedriveNote } from '@sluice/protocol'
import type { SeededRandom } from '../seeded-random.js'
import { POISON } from './fate.js'
import { nowUs, type Journal, type LeaseNumber, type RecordPlace, type SettleAnswer } from './journal.js'
import { leaseOf } from './journaled-record.js'

/** What `queue receive -o jsonl` prints. */
interface ReceivedRow {
  readonly handle: string
  readonly deliveries: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

interface SettledRow { readonly handle: string, readonly outcome: string }

type Lease = RecordPlace & LeaseNumber

const PROGRAM = fileURLToPath(new URL('../../../bin/sluice.js', import.meta.url))
const RECORDS_MAX = 12
const PAUSE_MS_MAX = 800
/** Done, failed in part, no broker in time; and what a killed command has. */
const EXIT_CODES: readonly (number | null)[] = [0, 1, 5, null]
const ANSWERS: Readonly<Record<string, SettleAnswer>> = { ok: 'ok', late: 'late', 'already-settled': 'already-settled' }

export class CommandWorker {
  /** Why it gave up; null while it has not. */
  failure: Error | null = null
  private readonly address: string
  private readonly journal: Journal
  private readonly random: SeededRandom
  private readonly queues: readonly string[]
  private readonly running: Promise<void>
  private child: ChildProcess | null = null
  private stopping = false
  private call = 0

  constructor (address: string, journal: Journal, random: SeededRandom, queues: readonly string[]) {
    this.address = address
    this.journal = journal
    this.random = random
    this.queues = queues
    const killWithParent = (): void => { this.kill() }
    process.on('exit', killWithParent)
    this.running = this.run()
      .catch((error: Error) => { this.failure = error })
      .finally(() => { process.off('exit', killWithParent) })
  }

  /** Kills the command that runs; false where none does. */
  kill (): boolean { return this.child?.kill('SIGKILL') ?? false }

  /** Ends the script with its last command. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  private async run (): Promise<void> {
    const { random } = this
    while (!this.stopping) {
      const queue = random.pick(this.queues)
      if (random.chance(0.5)) await this.receiveAndAck(queue)
      else await this.receiveAndSettle(queue)
      await delay(random.between(0, PAUSE_MS_MAX))
    }
  }

  private async receiveAndAck (queue: string): Promise<void> {
    const startUs = nowUs()
    const { leases, code } = await this.receive(queue, ['--ack'])
    // When it was asked for only the command knows; that all are over it says by its exit code.
    for (const lease of leases) this.journal.write({ step: 'settling', ...lease, kind: 'ack', delayMs: -1 }, startUs)
    if (code !== 0) return
    for (const lease of leases) this.journal.write({ step: 'settled', ...lease, kind: 'ack', answer: 'already-settled' })
  }

  private async receiveAndSettle (queue: string): Promise<void> {
    const { rows, leases } = await this.receive(queue, [])
    if (rows.length === 0) return
    // Up to the first that fails whenever it is tried, or that one.
    const poison = rows.findIndex(({ value }) => value?.includes(POISON) === true)
    const kind = poison === 0 ? 'nack' : this.random.pick(['ack', 'ack', 'ack', 'nack', 'release'] as const)
    const count = poison < 0 ? rows.length : Math.max(1, poison)
    for (const lease of leases.slice(0, count)) this.journal.write({ step: 'settling', ...lease, kind, delayMs: -1 })
    const { text } = await this.spawn(['queue', kind, queue, ...rows.slice(0, count).map(({ handle }) => handle)])
    for (const { handle, outcome } of linesOf(text) as SettledRow[]) {
      this.journal.write({ step: 'settled', ...leaseOf(queue, handle), kind, answer: ANSWERS[outcome] ?? 'unknown' })
    }
  }

  private async receive (
    queue: string, options: readonly string[],
  ): Promise<{ rows: ReceivedRow[], leases: Lease[], code: number | null }> {
    const { journal } = this
    const call = this.call++
    journal.write({ step: 'receiving', queue, call })
    const count = String(this.random.between(1, RECORDS_MAX + 1))
    const { text, code } = await this.spawn(['queue', 'receive', queue, '-n', count, '--wait', '300ms', ...options])
    const rows = linesOf(text) as ReceivedRow[]
    const leases = rows.map(({ handle }) => leaseOf(queue, handle))
    rows.forEach(({ deliveries, key, value, headers }, index) => {
      const move = decodeRedriveNote(headers[REDRIVE_HEADER] ?? null)
      journal.write({ step: 'delivered', ...leases[index]!, call, leases: 'visibility', deliveries, key, value, move })
    })
    return { rows, leases, code }
  }

  private async spawn (args: readonly string[]): Promise<{ text: string, code: number | null }> {
    const all = [PROGRAM, ...args, '--brokers', this.address, '--timeout', '5s', '-o', 'jsonl']
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    let [text, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => { errors += chunk })
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve)
      child.once('error', reject)
    })
    this.child = null
    if (!EXIT_CODES.includes(code)) throw new Error(`sluice ${args.join(' ')} ended with ${code}:\n${errors}`)
    return { text, code }
  }
}

/** A last line that was cut off is nobody's. */
function linesOf (text: string): unknown[] {
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
}
