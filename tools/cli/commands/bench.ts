// `sluice bench`: the commands of @sluice/bench, with the exit codes of this one.

import { BenchError, benchCommand } from '@sluice/bench'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import type { RunAction } from '../command-module.js'
import { EXIT } from '../exit-code.js'

export function command (run: RunAction): Command {
  return benchCommand(work => run(async () => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof BenchError)) throw error
      throw new CliError(error.exitCode === 2 ? EXIT.usage : EXIT.failed, error.message, { cause: error })
    }
  }))
}
