// What a file in `commands/` offers to the command line.

import type { Command } from 'commander'
import type { ExitCode } from './exit-code.js'

/** Runs the work of a command and keeps its exit code; nothing is 0. */
export type RunAction = (work: () => Promise<ExitCode | number | void>) => Promise<void>

export interface CommandModule {
  /** The command with its options. `table` has all commands, for those that speak of the others. */
  command (run: RunAction, table: CommandTable): Command
}

/** Commands by name; each is loaded only when it is needed. */
export type CommandTable = Readonly<Record<string, {
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}>>
