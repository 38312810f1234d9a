// `sluice queue stats`, `explain`, `peek`: what is in a queue, and why a record does not come. Nothing is changed.

import type { QueueStatistics, RecordExplanation } from '@sluice/client'
import { Option, type Command } from 'commander'
import { CliError } from '../cli-error.js'
import { integerOption, newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions } from '../command.js'
import type { RunAction } from '../command-module.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { formatObject, formatRows, type Cell, type Row } from '../rows.js'
import { withClient } from '../session.js'
import { explanationText, formatAge } from './explanation-text.js'
import { targetOf, withTarget, type TargetOptions } from './record-target.js'
import { peekedRow, showCell } from './record-rows.js'

const STATES = ['fresh', 'ready', 'leased', 'delayed', 'blocked', 'rateLimited', 'held', 'quarantined', 'deadLetterPending', 'terminal'] as const
const PEEK_COLUMNS = ['id', 'partition', 'offset', 'timestamp', 'state', 'damaged', 'failures', 'deliveries', 'timeLeftMs', 'key', 'value', 'headers']

export function stats (run: RunAction): Command {
  const command = newCommand('stats', 'Show the figures of a queue: what waits, what is in flight, what died, and how old the oldest is.', [
    'sluice queue stats emails',
    'sluice queue stats emails -o json',
    "sluice queue stats emails -o json | jq '.waiting, .oldestFreshAgeMs'",
  ])
  command.argument('<name>', 'name of the queue')
  withOutput(withBrokers(command))
  return command.action((name: string, options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      process.stdout.write(formatStats(name, await client.queue(name).stats(), options.output))
    })))
}

/** One object for `json`; a row per partition for `jsonl` and `csv`; both parts for people. */
function formatStats (name: string, stats: QueueStatistics, format: OutputOptions['output']): string {
  const { partitions, paused, sessions, fresh, ready, leased, delayed, ...others } = stats
  const sum = {
    queue: name, paused, waiting: fresh + ready, fresh, ready, inFlight: leased, leased, delayed, ...others, sessions,
  }
  if (format === 'json') return `${JSON.stringify({ ...sum, partitions }, null, 2)}\n`
  if (format !== 'table') return formatRows(partitions.map(row => ({ queue: name, ...row })), format)
  const show = (column: string, value: Cell): string | undefined =>
    column.endsWith('AgeMs') ? formatAge(value as number) : undefined
  const shown = ['partition', 'fresh', 'ready', 'leased', 'delayed', 'blocked', 'acknowledged', 'dead', 'floor', 'nextOffset', 'highWatermark']
  return `${formatObject(sum, 'table', { show, hidden: ['inFlight'] })}\n` +
    formatRows(partitions.map(row => ({ ...row })), 'table', { columns: shown })
}

export function explain (run: RunAction): Command {
  const command = newCommand('explain', 'Say where a record stands and why it is not handed out. Exit code 3 where there is none.', [
    'sluice queue explain emails --offset 0:42',
    'sluice queue explain orders --key customer-17',
    'sluice queue explain emails --dedup-id reminder-17 -o json',
  ])
  command.argument('<name>', 'name of the queue')
  withTarget(command, 'the first record of this key that is not done with; or, with --dedup-id, the key of that record')
  withOutput(withBrokers(command))
  return command.action((name: string, options: BrokerOptions & OutputOptions & TargetOptions) => run(async () => {
    checkTopicName(name)
    const { offset, key, dedupId } = options
    const isByKey = key !== undefined && offset === undefined && dedupId === undefined
    const target = isByKey ? { key: Buffer.from(key) } : targetOf(options)
    return await withClient(options, async client => {
      const explanation = await client.queue(name).explain(target)
      if (explanation === null) throw new CliError(EXIT.notFound, `there is no such record in queue ${name}`)
      process.stdout.write(formatExplanation(explanation, options.output))
    })
  }))
}

function formatExplanation (explanation: RecordExplanation, format: OutputOptions['output']): string {
  if (format === 'table') return `${explanationText(explanation)}\n`
  return formatObject({ id: `${explanation.partition}:${explanation.offset}`, ...explanation }, format)
}

export function peek (run: RunAction): Command {
  const command = newCommand('peek', 'Print records and their state without leasing them.', [
    'sluice queue peek emails',
    'sluice queue peek emails -n 1000 --state delayed -o jsonl',
    'sluice queue peek emails -p 0 --from 4200',
  ])
  command.argument('<name>', 'name of the queue')
    .option('-n, --count <number>', 'most records', integerOption(1, 1_000), 10)
    .addOption(new Option('--state <state...>', 'only records in these states (default: all but terminal)').choices(STATES))
    .option('-p, --partition <number>', 'this partition only', integerOption(0))
    .option('--from <offset>', 'begin at this offset of each partition (default: the oldest that is not done with)', integerOption(0))
  withOutput(withBrokers(command))
  interface Options extends BrokerOptions, OutputOptions {
    count: number, state?: (typeof STATES)[number][], partition?: number, from?: number
  }
  return command.action((name: string, options: Options) => run((): Promise<ExitCode | void> =>
    withClient(options, async client => {
      checkTopicName(name)
      const records = await client.queue(name).peek({
        maxRecords: options.count,
        from: options.from,
        states: options.state,
        partitions: options.partition === undefined ? undefined : [options.partition],
      })
      const rows: Row[] = records.map(peekedRow)
      process.stdout.write(formatRows(rows, options.output, {
        columns: PEEK_COLUMNS, hidden: ['partition', 'offset', 'headers'], show: showCell,
      }))
      if (rows.length === 0) note('nothing to see')
    })))
}
