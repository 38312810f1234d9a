// `sluice queue ack`, `nack`, `release`, `reject`, `extend`: say what became of records that were received, by handle.
//
// A handle that is no longer good is told as such and changes nothing; the others go on. Any failure makes the exit
// code 1.

import type { Queue, SettleOutcome } from '@sluice/client'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  durationBetween, newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions,
} from '../command.js'
import type { RunAction } from '../command-module.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { formatRows } from '../rows.js'
import { withClient } from '../session.js'
import { readStdinLines } from '../stdin-lines.js'

interface SettleOptions extends BrokerOptions, OutputOptions { delay?: number, reason?: string, for?: number }

type Settle = (queue: Queue, handle: string, options: SettleOptions) => Promise<SettleOutcome>

export function ack (run: RunAction): Command {
  const command = newCommand('ack', 'Acknowledge records: they are done and never handed out again.', [
    'sluice queue ack emails HANDLE',
    'sluice queue ack emails HANDLE HANDLE -o jsonl',
    'sluice queue receive emails -n 100 -o jsonl | jq -r .handle | sluice queue ack emails -',
  ])
  return settling(run, command, (queue, handle) => queue.ack(handle))
}

export function nack (run: RunAction): Command {
  const command = newCommand('nack', "Say that records failed: they are tried again, or given up after the queue's last attempt.", [
    'sluice queue nack emails HANDLE',
    "sluice queue nack emails HANDLE --delay 30s --reason 'mail server is down'",
    'sluice queue nack emails HANDLE HANDLE --delay 0',
  ])
  command.option('--delay <duration>', "time until the next attempt, such as 30s: 0 to 365d (default: the queue's back-off)",
    durationBetween('0', '365d'))
    .option('--reason <text>', 'kept with the attempt, for queue explain and the dead letter')
  return settling(run, command, (queue, handle, { delay, reason }) => queue.nack(handle, { delayMs: delay, reason }))
}

export function release (run: RunAction): Command {
  const command = newCommand('release', 'Give records back that were not begun: others may have them at once, and it is no failure.', [
    'sluice queue release emails HANDLE', 'sluice queue release emails HANDLE HANDLE', 'sluice queue release emails - < handles',
  ])
  return settling(run, command, (queue, handle) => queue.release(handle))
}

export function reject (run: RunAction): Command {
  const command = newCommand('reject', 'Give records up for good: they go to the dead letters, or are dropped where the queue has none.', [
    'sluice queue reject emails HANDLE',
    "sluice queue reject emails HANDLE --reason 'no such address'",
    'sluice queue reject emails - < handles',
  ])
  command.option('--reason <text>', 'kept with the dead letter')
  return settling(run, command, (queue, handle, { reason }) => queue.reject(handle, reason))
}

export function extend (run: RunAction): Command {
  const command = newCommand('extend', 'Keep the leases of records for longer, from now on.', [
    'sluice queue extend emails HANDLE --for 5m',
    'sluice queue extend emails HANDLE HANDLE --for 1h',
    'sluice queue extend emails - --for 30s < handles',
  ])
  command.requiredOption('--for <duration>', 'how long from now on, such as 5m: 1ms to 12h', durationBetween('1ms', '12h'))
  return settling(run, command, (queue, handle, options) => queue.extend(handle, options.for!))
}

function settling (run: RunAction, command: Command, settle: Settle): Command {
  command.argument('<name>', 'name of the queue')
    .argument('<handles...>', 'handles, as queue receive prints them; - for one per line of standard input')
  withOutput(withBrokers(command))
  return command.action((name: string, handles: string[], options: SettleOptions) => run(async () => {
    checkTopicName(name)
    const all = handles.includes('-') ? await handlesFromStdin(handles) : handles
    return await withClient(options, client => settleAll(client.queue(name), all, settle, options))
  }))
}

async function settleAll (
  queue: Queue, handles: readonly string[], settle: Settle, options: SettleOptions,
): Promise<ExitCode> {
  const results = await Promise.allSettled(handles.map(handle => settle(queue, handle, options)))
  const rows = results.map((result, index) => result.status === 'fulfilled'
    ? { handle: handles[index]!, outcome: result.value, message: '' }
    : { handle: handles[index]!, outcome: 'failed', message: (result.reason as Error).message })
  process.stdout.write(formatRows(rows, options.output, { columns: ['handle', 'outcome', 'message'] }))
  const failures = results.flatMap(result => result.status === 'rejected' ? [result.reason as Error] : [])
  const [first] = failures
  if (first === undefined) return EXIT.ok
  // One failure for all is about the queue or the broker: told with its own exit code.
  if (failures.length === results.length && failures.every(({ message }) => message === first.message)) throw first
  note(`${failures.length} of ${handles.length} failed`)
  return EXIT.failed
}

/** Takes the place of `-`. @throws CliError with exit code 2 where standard input holds none. */
async function handlesFromStdin (handles: readonly string[]): Promise<string[]> {
  const read: string[] = []
  await readStdinLines({
    onLine (line) {
      const handle = line.toString().trim()
      if (handle !== '') read.push(handle)
      return undefined
    },
    onTooLong () { throw new CliError(EXIT.usage, 'a line of standard input is no handle: it is too long') },
    onProgress () {},
  })
  if (read.length === 0) throw new CliError(EXIT.usage, 'no handle came from standard input')
  return handles.flatMap(handle => handle === '-' ? read : [handle])
}
