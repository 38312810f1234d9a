// `sluice queue redrive`: moves dead letters back. A job of the broker: it goes on when the command ends.

import type { Redrive, RedriveOptions, RedriveStatus } from '@sluice/client'
import { Option, type Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  integerOption, newCommand, settingOption, timeOption, withBrokers, withConfirmation, withOutput, type BrokerOptions,
  type OutputOptions,
} from '../command.js'
import type { RunAction } from '../command-module.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { countOf, note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { ProgressLine } from '../progress-line.js'
import { formatCount, formatTime } from '../quantities.js'
import { formatObject, formatRows, type Cell, type Row } from '../rows.js'
import { withClient } from '../session.js'

const REASONS = ['nack', 'timeout', 'disconnect', 'reject', 'exhausted', 'quarantine', 'ttl'] as const

interface RedriveCommandOptions extends BrokerOptions, OutputOptions, ConfirmationOptions {
  to?: string
  key?: string
  reason?: (typeof REASONS)[number][]
  since?: Date
  until?: Date
  header: Record<string, string>
  limit?: number
  rate?: number
  wait: boolean
  list?: boolean
  cancel?: string
}

export function redrive (run: RunAction): Command {
  const command = newCommand('redrive', 'Move the records of a dead-letter queue back to where they came from, in their order.', [
    'sluice queue redrive emails-dead --dry-run',
    'sluice queue redrive emails-dead --reason timeout --since 2026-01-31T12:00:00Z --rate 100 --yes',
    'sluice queue redrive emails-dead --list -o json',
  ])
  command.argument('<name>', 'name of the dead-letter queue')
    .option('--to <name>', 'queue or topic that takes them (default: where each came from)')
    .option('--key <key>', 'only records with this key')
    .addOption(new Option('--reason <reason...>', 'only records that were given up for one of these').choices(REASONS))
    .option('--since <time>', 'only records that died at this time or later', timeOption)
    .option('--until <time>', 'only records that died before this time', timeOption)
    .option('--header <name=value>', 'only records with this header', settingOption, {})
    .option('--limit <number>', 'most records', integerOption(1))
    .option('--rate <number>', 'most records a second', integerOption(1, 1_000_000))
    .option('--no-wait', 'start it and do not wait for its end')
    .option('--list', 'show the redrives of this queue')
    .option('--cancel <id>', 'stop a redrive; what has been moved stays moved')
  withOutput(withConfirmation(withBrokers(command)))
  return command.action((name: string, options: RedriveCommandOptions) => run(async () => {
    checkTopicName(name)
    const filter = filterOf(options)
    return await withClient(options, async client => {
      const queue = client.queue(name)
      if (options.list === true) return printList(await queue.redrives(), options)
      if (options.cancel !== undefined) {
        return note(`stopped redrive ${options.cancel}: ${countOf(await queue.redriveById(options.cancel).cancel(), 'record')} moved`)
      }
      const what = `the matching records of queue ${name} to ${options.to ?? 'where they came from'}`
      if (options.dryRun !== true) await confirm(`Move ${what}?`, options)
      const job = await queue.redrive(filter)
      if (!options.wait) return printStatus(await job.status(), options)
      return await watch(job, options)
    })
  }))
}

function filterOf (options: RedriveCommandOptions): RedriveOptions<Uint8Array> {
  const headers = Object.entries(options.header)
  if (headers.length > 1) throw new CliError(EXIT.usage, '--header was given more than once: a redrive filters by one header')
  const [header] = headers
  return {
    to: options.to,
    key: options.key === undefined ? undefined : Buffer.from(options.key),
    reasons: options.reason,
    since: options.since,
    until: options.until,
    header: header === undefined ? undefined : { name: header[0], value: header[1] },
    limit: options.limit,
    recordsPerSecond: options.rate,
    dryRun: options.dryRun,
  }
}

/** Waits for the end; Ctrl-C ends the waiting, not the job. */
async function watch (job: Redrive, options: RedriveCommandOptions): Promise<ExitCode> {
  const stopped = new AbortController()
  const stop = (): void => stopped.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const progress = new ProgressLine()
  const shown = setInterval(() => {
    job.status().then(({ examined, moved, message }) => {
      const waits = message === '' ? '' : `; ${message}`
      progress.update(() => `${formatCount(examined)} looked at, ${formatCount(moved)} moved${waits}`)
    }, () => {})
  }, 500)
  try {
    printStatus(await job.done({ signal: stopped.signal }), options)
    return EXIT.ok
  } catch (error) {
    if (!stopped.signal.aborted) throw error
    note(`redrive ${job.id} goes on; to stop it: sluice queue redrive NAME --cancel ${job.id}`)
    return EXIT.ok
  } finally {
    clearInterval(shown)
    progress.clear()
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

function printStatus (status: RedriveStatus, options: OutputOptions): void {
  if (options.output !== 'table') process.stdout.write(formatObject(rowOf(status), options.output))
  else if (status.dryRun) note(`would move ${countOf(status.matched, 'record')} of ${formatCount(status.examined)} looked at; nothing was done`)
  else note(`redrive ${status.redriveId} is ${status.state}: ${countOf(status.moved, 'record')} moved, ${formatCount(status.examined)} looked at`)
}

function printList (redrives: readonly RedriveStatus[], options: OutputOptions): void {
  const columns = ['redriveId', 'state', 'startedAt', 'endedAt', 'startedBy', 'examined', 'matched', 'moved', 'dryRun', 'message']
  const show = (column: string, value: Cell): string | undefined =>
    column.endsWith('At') ? formatTime(value as number) : undefined
  process.stdout.write(formatRows(redrives.map(rowOf), options.output, { columns, show }))
}

function rowOf (status: RedriveStatus): Row {
  return { ...status }
}
