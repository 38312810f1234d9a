// Which record of a queue a command means: its id, its key or its dedup id.

import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import { EXIT } from '../exit-code.js'

/** Options that `withTarget` adds. */
export interface TargetOptions { offset?: string, key?: string, dedupId?: string }

/** What is meant, as the client takes it. */
export type Target = string | { dedupId: string, key?: Uint8Array }

/** Adds `--offset`, `--dedup-id` and `--key`. */
export function withTarget (command: Command, keyHelp: string): Command {
  return command
    .option('--offset <partition:offset>', 'the record with this id, as send, receive and peek print it')
    .option('--dedup-id <id>', 'the record that was sent with this dedup id')
    .option('--key <key>', keyHelp)
}

/** The one record that is meant. @throws CliError with exit code 2 where it is none or several. */
export function targetOf (options: TargetOptions): Target {
  if ((options.offset === undefined) === (options.dedupId === undefined)) {
    throw new CliError(EXIT.usage, 'name one record: --offset PARTITION:OFFSET, or --dedup-id ID (with --key where it has one)')
  }
  if (options.dedupId !== undefined) {
    return { dedupId: options.dedupId, ...(options.key === undefined ? {} : { key: Buffer.from(options.key) }) }
  }
  if (options.key !== undefined) throw new CliError(EXIT.usage, '--key goes with --dedup-id only: an id says where the record is')
  return recordId(options.offset!)
}

/** A record id. @throws CliError with exit code 2 */
export function recordId (text: string): string {
  if (!/^\d{1,10}:\d{1,16}$/.test(text)) {
    throw new CliError(EXIT.usage, `${JSON.stringify(text)} is no record id: write PARTITION:OFFSET, such as 0:42`)
  }
  return text
}
