// `sluice produce`: a record for each line of standard input.
//
//   stdin ─▶ LineSplitter ─▶ producer.write ─▶ broker
//     ▲                          │ full
//     └────── paused ◀───────────┘
//
// Nothing is kept per line once it is in a batch, so that the speed is that of the producer. A record that could not be
// delivered is counted with its reason and the others go on; any of them makes the exit code 1.

import type { OutRecord, Producer } from '@sluice/client'
import { Option, type Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  integerOption, newCommand, settingOption, withBrokers, type BrokerOptions,
} from '../command.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { FailureTally } from '../failure-tally.js'
import type { RunAction } from '../command-module.js'
import { checkTopicName } from '../names.js'
import { ProgressLine } from '../progress-line.js'
import { formatCount, formatThroughput } from '../quantities.js'
import { withClient } from '../session.js'
import { LINE_BYTES_MAX, readStdinLines, type LineSink } from '../stdin-lines.js'

interface ProduceOptions extends BrokerOptions {
  keySeparator?: string
  acks: 'none' | 'leader' | 'quorum'
  codec: 'none' | 'gzip' | 'brotli' | 'lz4' | 'zstd'
  partition?: number
  header: Record<string, string>
  quiet?: boolean
}

export function command (run: RunAction): Command {
  const produce = newCommand('produce', 'Send a record for each line of standard input. Ends with 1 where any record failed.', [
    'sluice produce logs < /var/log/dpkg.log',
    "printf 'u1:hello\\nu2:world\\n' | sluice produce orders -k :",
    'tail -F access.log | sluice produce access --codec gzip --header host=web1',
  ])
  produce.argument('<topic>', 'name of the topic')
    .option('-k, --key-separator <text>', 'split each line at the first of these: key before it, value behind')
    .addOption(new Option('--acks <level>', 'when a record counts as sent').choices(['none', 'leader', 'quorum']).default('quorum'))
    .addOption(new Option('--codec <name>', 'compression').choices(['none', 'gzip', 'brotli', 'lz4', 'zstd']).default('none'))
    .option('-p, --partition <number>', 'send everything to this partition', integerOption(0))
    .option('--header <name=value>', 'a header for every record; may be given several times', settingOption, {})
    .option('-q, --quiet', 'report failures only')
  withBrokers(produce)
  return produce.action((topic: string, options: ProduceOptions) => run(async () => {
    checkTopicName(topic)
    if (options.keySeparator === '') throw new CliError(EXIT.usage, 'the key separator is empty: give at least one character')
    return await withClient(options, async client => {
      const { partitions } = await client.admin.describeTopic(topic)
      if (options.partition !== undefined && options.partition >= partitions.length) {
        throw new CliError(EXIT.notFound, `topic ${topic} has no partition ${options.partition}: it has 0 to ${partitions.length - 1}`)
      }
      const producer = client.topic(topic).producer({
        acks: options.acks, compression: options.codec, deliveryTimeoutMs: options.timeout,
      })
      return await new LineProducer(producer, options).run()
    })
  }))
}

/** Carries standard input to a producer and keeps the count. */
class LineProducer implements LineSink {
  private readonly producer: Producer
  private readonly options: ProduceOptions
  private readonly separator: Buffer | null
  private readonly headers: Record<string, string> | undefined
  private readonly failures = new FailureTally()
  private readonly progress = new ProgressLine()
  private records = 0
  private bytes = 0

  constructor (producer: Producer, options: ProduceOptions) {
    this.producer = producer
    this.options = options
    this.separator = options.keySeparator === undefined ? null : Buffer.from(options.keySeparator)
    this.headers = Object.keys(options.header).length === 0 ? undefined : options.header
  }

  async run (): Promise<ExitCode> {
    const startedAtMs = performance.now()
    if (process.stdin.isTTY && this.options.quiet !== true) {
      process.stderr.write('a record for each line; end with Ctrl-D\n')
    }
    try {
      await readStdinLines(this)
      await this.settled(this.producer.flush())
    } finally {
      this.progress.clear()
    }
    await this.settled(this.producer.close({ drainTimeoutMs: this.options.timeout }))
    return this.report(performance.now() - startedAtMs)
  }

  onLine (line: Buffer): Promise<void> | undefined {
    this.records++
    this.bytes += line.length
    return this.write(line) ? undefined : this.settled(this.producer.drained())
  }

  onTooLong (size: number): void {
    this.records++
    this.bytes += size
    this.failures.add(`line ${this.records} has ${size} bytes: a record may have at most ${LINE_BYTES_MAX}`)
  }

  onProgress (): void {
    this.progress.update(() => `${formatCount(this.records)} records`)
  }

  private write (line: Buffer): boolean {
    try {
      return this.producer.write(this.recordOf(line))
    } catch (error) {
      this.failures.add(`line ${this.records}: ${(error as Error).message}`)
      return true
    }
  }

  private recordOf (line: Buffer): OutRecord<Uint8Array, Uint8Array> {
    const { separator, headers } = this
    const { partition } = this.options
    const at = separator === null ? -1 : line.indexOf(separator)
    if (at < 0) return { value: line, headers, partition }
    return { key: line.subarray(0, at), value: line.subarray(at + separator!.length), headers, partition }
  }

  /** Waits; of a failure that comes out the reason is noted: the producer counts the records. */
  private async settled (work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.failures.reason((error as Error).message)
    }
  }

  private report (ms: number): ExitCode {
    const failed = this.failures.count + this.producer.failedRecords
    if (this.options.quiet !== true) {
      process.stderr.write(`sent ${formatThroughput(this.records - failed, this.bytes, ms)}\n`)
    }
    if (failed === 0 && this.failures.reasons.length === 0) return EXIT.ok
    process.stderr.write(`${formatCount(failed)} of ${formatCount(this.records)} records failed:\n`)
    for (const reason of this.failures.reasons) process.stderr.write(`  ${reason}\n`)
    return EXIT.failed
  }
}
