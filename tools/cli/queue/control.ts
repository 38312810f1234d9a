// `sluice queue cancel`, `reschedule`, `pause`, `resume`, `purge`.

import type { ChangeOutcome } from '@sluice/client'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  durationBetween, newCommand, timeOption, withBrokers, withConfirmation, withOutput,
  type BrokerOptions, type OutputOptions,
} from '../command.js'
import type { RunAction } from '../command-module.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { countOf, note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { formatObject } from '../rows.js'
import { withClient } from '../session.js'
import { targetOf, withTarget, type Target, type TargetOptions } from './record-target.js'

const KEY_OF_DEDUP_ID = 'with --dedup-id: the key of that record, which spares asking all partitions'

export function cancel (run: RunAction): Command {
  const command = newCommand('cancel', 'Cancel a record: it is not handed out any more. Exit code 3 where there is none.', [
    'sluice queue cancel emails --offset 0:42',
    'sluice queue cancel emails --dedup-id reminder-17',
    'sluice queue cancel emails --dedup-id reminder-17 --key customer-17 -o json',
  ])
  command.argument('<name>', 'name of the queue')
  withOutput(withBrokers(withTarget(command, KEY_OF_DEDUP_ID)))
  return command.action((name: string, options: BrokerOptions & OutputOptions & TargetOptions) => run(async () => {
    checkTopicName(name)
    const target = targetOf(options)
    return await withClient(options, async client =>
      report(name, target, await client.queue(name).cancel(target), options))
  }))
}

export function reschedule (run: RunAction): Command {
  const command = newCommand('reschedule', 'Put a record off, or bring it forward. Exit code 3 where there is none.', [
    'sluice queue reschedule emails --offset 0:42 --delay 1h',
    'sluice queue reschedule emails --dedup-id reminder-17 --delay 0',
    'sluice queue reschedule emails --dedup-id reminder-17 --at 2026-12-24T18:00:00Z',
  ])
  command.argument('<name>', 'name of the queue')
    .option('--delay <duration>', 'time from now on, such as 1h: 0 to 365d', durationBetween('0', '365d'))
    .option('--at <time>', 'a time such as 2026-12-24T18:00:00Z, up to 365d from now', timeOption)
  withOutput(withBrokers(withTarget(command, KEY_OF_DEDUP_ID)))
  interface Options extends BrokerOptions, OutputOptions, TargetOptions { delay?: number, at?: Date }
  return command.action((name: string, options: Options) => run(async () => {
    checkTopicName(name)
    const target = targetOf(options)
    const { delay, at } = options
    if ((delay === undefined) === (at === undefined)) throw new CliError(EXIT.usage, 'say when: --delay DURATION or --at TIME')
    const to = at === undefined ? { delayMs: delay! } : { at }
    return await withClient(options, async client =>
      report(name, target, await client.queue(name).reschedule(target, to), options))
  }))
}

export function pause (run: RunAction): Command {
  const command = newCommand('pause', 'Hand out nothing more until resume. Settling and sending go on.', [
    'sluice queue pause emails', 'sluice queue pause emails --timeout 5s', 'sluice queue pause emails --brokers 10.0.0.5:7400',
  ])
  command.argument('<name>', 'name of the queue')
  withBrokers(command)
  return command.action((name: string, options: BrokerOptions) => run(async () => {
    checkTopicName(name)
    await withClient(options, client => client.queue(name).pause())
    note(`paused queue ${name}`)
  }))
}

export function resume (run: RunAction): Command {
  const command = newCommand('resume', 'End a pause; or, with --key, let a key go on that a record which was given up has stopped.', [
    'sluice queue resume emails',
    'sluice queue resume orders --key customer-17',
    'sluice queue resume orders --key customer-17 --skip',
  ])
  command.argument('<name>', 'name of the queue')
    .option('--key <key>', 'the key that is stopped')
    .option('--skip', 'with --key: cancel the record that stopped it, instead of trying it again')
  withBrokers(command)
  interface Options extends BrokerOptions { key?: string, skip?: boolean }
  return command.action((name: string, options: Options) => run(async () => {
    checkTopicName(name)
    const { key, skip = false } = options
    if (skip && key === undefined) throw new CliError(EXIT.usage, '--skip goes with --key')
    await withClient(options, async client => {
      if (key === undefined) {
        await client.queue(name).resume()
        return note(`resumed queue ${name}`)
      }
      const isChanged = await client.queue(name).resumeKey(Buffer.from(key), { skip })
      if (!isChanged) throw new CliError(EXIT.notFound, `key ${JSON.stringify(key)} is not stopped in queue ${name}`)
      note(`resumed key ${JSON.stringify(key)} of queue ${name}`)
    })
  }))
}

export function purge (run: RunAction): Command {
  const command = newCommand('purge', 'End every record that is in the queue now, leased ones included.', [
    'sluice queue purge emails', 'sluice queue purge emails --yes', 'sluice queue purge emails --dry-run',
  ])
  command.argument('<name>', 'name of the queue')
  withConfirmation(withBrokers(command))
  return command.action((name: string, options: BrokerOptions & ConfirmationOptions) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      const queue = client.queue(name)
      const { fresh, ready, leased, delayed, blocked } = await queue.stats()
      const what = `about ${countOf(fresh + ready + leased + delayed + blocked, 'record')} of queue ${name}`
      if (options.dryRun === true) return note(`would end ${what}; nothing was done`)
      await confirm(`End ${what} for good?`, options)
      note(`ended ${countOf(await queue.purge(), 'record')} of queue ${name}`)
    })))
}

const WORDS: Readonly<Record<ChangeOutcome, string>> = {
  ok: 'done',
  requested: 'it is leased: its holder is told, and it ends with the lease',
  leased: 'it is leased: nothing was changed; settle it, or try again when the lease is over',
  'already-terminal': 'it is done with already: nothing was changed',
  unknown: 'there is no such record',
}

function report (queue: string, target: Target, outcome: ChangeOutcome, options: OutputOptions): ExitCode {
  const record = typeof target === 'string' ? target : target.dedupId
  if (options.output === 'table') note(`${record}: ${WORDS[outcome]}`)
  else process.stdout.write(formatObject({ queue, record, outcome }, options.output))
  if (outcome === 'unknown') return EXIT.notFound
  return outcome === 'ok' || outcome === 'requested' ? EXIT.ok : EXIT.failed
}
