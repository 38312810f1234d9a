// `sluice queue receive`: leases records and prints them.
//
// Without --ack the leases stay when the command ends: `queue ack`, `nack`, `extend` and the others settle them by
// handle, from any process, until the visibility time is over. With --ack a record is acknowledged once it has been
// written out, so that one may be printed twice after a crash, but none is lost.

import type { LeasedRecord, Queue } from '@sluice/client'
import type { Command } from 'commander'
import { ByteOutput } from '../byte-output.js'
import { CliError } from '../cli-error.js'
import { integerOption, newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions } from '../command.js'
import type { RunAction } from '../command-module.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { countOf, note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { parseDuration } from '../quantities.js'
import { formatRows, type Row } from '../rows.js'
import { withClient } from '../session.js'
import { leasedRow, showCell } from './record-rows.js'

interface ReceiveOptions extends BrokerOptions, OutputOptions { count: number, wait: number, ack?: boolean }

type BytesRecord = LeasedRecord<Uint8Array, Uint8Array>

const COLUMNS = ['id', 'partition', 'offset', 'timestamp', 'deliveries', 'key', 'value', 'headers', 'handle']
/** Records of one receive. */
const RECEIVE_RECORDS_MAX = 1_000
const WAIT_MS_MAX = 60_000

export function receive (run: RunAction): Command {
  const command = newCommand('receive', 'Lease records and print them, with handles to settle them by; or with --ack settle them at once.', [
    'sluice queue receive emails -n 10 --wait 5s -o jsonl',
    'sluice queue receive emails -n 100 --ack -o jsonl',
    'sluice queue ack emails $(sluice queue receive emails -o jsonl | jq -r .handle)',
  ])
  command.argument('<name>', 'name of the queue')
    .option('-n, --count <number>', 'most records', integerOption(1, 1_000_000), 1)
    .option('--wait <duration>', 'how long to wait for the next record: 0 to 60s', waitOption, 0)
    .option('--ack', 'acknowledge what was printed')
  withOutput(withBrokers(command))
  return command.action((name: string, options: ReceiveOptions) => run(async () => {
    checkTopicName(name)
    const stopped = new AbortController()
    const stop = (): void => stopped.abort()
    process.once('SIGINT', stop).once('SIGTERM', stop)
    try {
      return await withClient(options, client => receiveRecords(client.queue(name), options, stopped.signal))
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop)
    }
  }))
}

/** Receives until there are enough, none came for the time to wait, or it is told to stop. */
async function receiveRecords (queue: Queue, options: ReceiveOptions, signal: AbortSignal): Promise<ExitCode> {
  const output = new ByteOutput()
  const rows: Row[] = []
  const isStream = options.output === 'jsonl'
  let acknowledged: BytesRecord[] = []
  let count = 0
  let exitCode: ExitCode = EXIT.ok
  while (count < options.count && !signal.aborted && !output.gone) {
    const records = await receiveSome(queue, Math.min(options.count - count, RECEIVE_RECORDS_MAX), options.wait, signal)
    if (records.length === 0) break
    count += records.length
    if (!isStream) {
      for (const record of records) rows.push(leasedRow(record))
      acknowledged = acknowledged.concat(records)
      continue
    }
    output.appendText(formatRows(records.map(leasedRow), 'jsonl'))
    exitCode = worst(exitCode, await settlePrinted(await output.flush(), records, options))
  }
  if (!isStream) {
    output.appendText(formatRows(rows, options.output, {
      columns: COLUMNS, hidden: ['partition', 'offset', 'headers'], show: showCell,
    }))
    exitCode = worst(exitCode, await settlePrinted(await output.flush(), acknowledged, options))
  }
  if (count === 0) note('no record came: there is none to hand out now (sluice queue stats says what there is)')
  return exitCode
}

async function receiveSome (
  queue: Queue, maxRecords: number, waitMs: number, signal: AbortSignal,
): Promise<BytesRecord[]> {
  try {
    return await queue.receive({ maxRecords, waitMs, signal })
  } catch (error) {
    if (signal.aborted) return []
    throw error
  }
}

/** Acknowledges what was written out; gives back what nobody has seen. */
async function settlePrinted (
  written: boolean, records: readonly BytesRecord[], options: ReceiveOptions,
): Promise<ExitCode> {
  if (!written) await Promise.allSettled(records.map(record => record.release()))
  if (!written || options.ack !== true) return EXIT.ok
  const results = await Promise.allSettled(records.map(record => record.ack()))
  const failed = results.filter(result => result.status === 'rejected')
  if (failed.length === 0) return EXIT.ok
  note(`${countOf(failed.length, 'record')} could not be acknowledged and will be handed out again: ${(failed[0]!.reason as Error).message}`)
  return EXIT.failed
}

function worst (a: ExitCode, b: ExitCode): ExitCode {
  return a === EXIT.ok ? b : a
}

function waitOption (text: string): number {
  const ms = parseDuration(text)
  if (ms === null || ms > WAIT_MS_MAX) throw new CliError(EXIT.usage, `--wait: ${text} is no duration from 0 to 60s`)
  return ms
}
