// `sluice queue send`: a record for each line of standard input.
//
// Lines go out in parts of up to a thousand, a few of them under way at a time. A record that could not be delivered is
// counted with its reason and the others go on; any of them makes the exit code 1.

import type { Queue, QueueRecord, QueueSendResult } from '@sluice/client'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  durationBetween, integerOption, newCommand, settingOption, timeOption, withBrokers, withOutput,
  type BrokerOptions, type OutputOptions,
} from '../command.js'
import type { RunAction } from '../command-module.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { FailureTally } from '../failure-tally.js'
import { countOf, note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { ProgressLine } from '../progress-line.js'
import { formatCount, formatThroughput } from '../quantities.js'
import { formatRows, type Row, type RowFormat } from '../rows.js'
import { withClient } from '../session.js'
import { LINE_BYTES_MAX, readStdinLines, type LineSink } from '../stdin-lines.js'

interface SendOptions extends BrokerOptions, OutputOptions {
  keySeparator?: string
  delay?: number
  at?: Date
  dedupId?: string
  ttl?: number
  priority?: number
  header: Record<string, string>
  quiet?: boolean
}

type BytesRecord = QueueRecord<Uint8Array, Uint8Array>

/** Records of one part, and most bytes of them. */
const PART_RECORDS_MAX = 1_000
const PART_BYTES_MAX = 1024 * 1024
/** Parts under way. */
const PARTS_MAX = 4
const COLUMNS = ['id', 'partition', 'offset', 'timestamp', 'duplicate']

export function send (run: RunAction): Command {
  const command = newCommand('send', 'Send a record for each line of standard input. Ends with 1 where any record failed.', [
    "printf 'hello\\n' | sluice queue send emails",
    "printf 'u1:hello\\nu2:world\\n' | sluice queue send orders -k : -o jsonl",
    "printf 'remind me\\n' | sluice queue send emails --delay 1h --dedup-id reminder-17",
  ])
  command.argument('<name>', 'name of the queue')
    .option('-k, --key-separator <text>', 'split each line at the first of these: key before it, value behind')
    .option('--delay <duration>', 'hand out after so long at the earliest, such as 5s: 0 to 365d',
      durationBetween('0', '365d'))
    .option('--at <time>', 'hand out at this time at the earliest, such as 2026-12-24T18:00:00Z, up to 365d from now',
      timeOption)
    .option('--dedup-id <id>', 'a record whose id is taken is not handed out again; meant for one line')
    .option('--ttl <duration>', 'of no use after so long: then it expires; 1ms to 365d', durationBetween('1ms', '365d'))
    .option('--priority <number>', '0 (low) to 9 (high), where the order of the queue is priority', integerOption(0, 9))
    .option('--header <name=value>', 'a header for every record; may be given several times', settingOption, {})
    .option('-q, --quiet', 'report failures only')
  withOutput(withBrokers(command))
  return command.action((name: string, options: SendOptions) => run(async () => {
    checkTopicName(name)
    if (options.keySeparator === '') throw new CliError(EXIT.usage, 'the key separator is empty: give at least one character')
    if (options.delay !== undefined && options.at !== undefined) {
      throw new CliError(EXIT.usage, '--delay and --at exclude each other: choose one')
    }
    return await withClient(options, async client => {
      await client.queue(name).stats()
      const queue = client.queue(name, {}, { producer: { deliveryTimeoutMs: options.timeout } })
      return await new LineSender(queue, options).run()
    })
  }))
}

/** Carries standard input to a queue and keeps the count. */
class LineSender implements LineSink {
  private readonly queue: Queue
  private readonly options: SendOptions
  private readonly separator: Buffer | null
  private readonly common: Partial<BytesRecord>
  private readonly failures = new FailureTally()
  private readonly progress = new ProgressLine()
  private readonly underWay = new Set<Promise<void>>()
  /** Ends when everything that was sent before has been printed: rows come out in the order of the lines. */
  private printed: Promise<void> = Promise.resolve()
  private part: BytesRecord[] = []
  private partBytes = 0
  private records = 0
  private bytes = 0
  private duplicates = 0
  private readonly rows: Row[] = []

  constructor (queue: Queue, options: SendOptions) {
    this.queue = queue
    this.options = options
    this.separator = options.keySeparator === undefined ? null : Buffer.from(options.keySeparator)
    this.common = {
      headers: Object.keys(options.header).length === 0 ? undefined : options.header,
      delayMs: options.delay,
      at: options.at,
      dedupId: options.dedupId,
      ttlMs: options.ttl,
      priority: options.priority,
    }
  }

  async run (): Promise<ExitCode> {
    const startedAtMs = performance.now()
    if (process.stdin.isTTY && this.options.quiet !== true) note('a record for each line; end with Ctrl-D')
    try {
      await readStdinLines(this)
      this.sendPart()
      await Promise.all(this.underWay)
      await this.printed
    } finally {
      this.progress.clear()
    }
    if (this.options.output !== 'table' && this.options.output !== 'jsonl') {
      process.stdout.write(formatRows(this.rows, this.options.output, { columns: COLUMNS }))
    }
    return this.report(performance.now() - startedAtMs)
  }

  onLine (line: Buffer): Promise<void> | undefined {
    this.records++
    this.bytes += line.length
    this.part.push(this.recordOf(Buffer.from(line)))
    this.partBytes += line.length
    if (this.part.length < PART_RECORDS_MAX && this.partBytes < PART_BYTES_MAX) return undefined
    this.sendPart()
    return this.underWay.size >= PARTS_MAX ? Promise.race(this.underWay) : undefined
  }

  onTooLong (size: number): void {
    this.records++
    this.failures.add(`line ${this.records} has ${size} bytes: a record may have at most ${LINE_BYTES_MAX}`)
  }

  onProgress (): void {
    // What has come is sent, so that a slow writer's lines do not wait for more.
    this.sendPart()
    this.progress.update(() => `${formatCount(this.records)} records`)
  }

  private sendPart (): void {
    if (this.part.length === 0) return
    const part = this.part
    this.part = []
    this.partBytes = 0
    const sent = this.queue.sendBatch(part)
    this.printed = this.printed.then(async () => this.note(await sent))
    const settled: Promise<void> = sent.then(() => { this.underWay.delete(settled) })
    this.underWay.add(settled)
  }

  private recordOf (line: Buffer): BytesRecord {
    const { separator, common } = this
    const at = separator === null ? -1 : line.indexOf(separator)
    if (at < 0) return { value: line, ...common }
    return { key: line.subarray(0, at), value: line.subarray(at + separator!.length), ...common }
  }

  private note (results: readonly QueueSendResult[]): void {
    const rows: Row[] = []
    for (const result of results) {
      if (!result.ok) {
        this.failures.add(result.error.message)
        continue
      }
      const { id, partition, offset, timestamp, duplicate } = result
      if (duplicate) this.duplicates++
      rows.push({ id, partition, offset, timestamp, duplicate })
    }
    this.print(rows, this.options.output)
  }

  private print (rows: readonly Row[], format: RowFormat): void {
    if (format === 'jsonl') process.stdout.write(formatRows(rows, format))
    else if (format !== 'table') this.rows.push(...rows)
  }

  private report (ms: number): ExitCode {
    const failed = this.failures.count
    if (this.options.quiet !== true) {
      const duplicates = this.duplicates === 0 ? '' : `; ${countOf(this.duplicates, 'duplicate')} by dedup id`
      note(`sent ${formatThroughput(this.records - failed, this.bytes, ms)}${duplicates}`)
    }
    if (failed === 0) return EXIT.ok
    note(`${formatCount(failed)} of ${formatCount(this.records)} records failed:`)
    for (const reason of this.failures.reasons) note(`  ${reason}`)
    return EXIT.failed
  }
}
