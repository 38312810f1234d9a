// The question before something is destroyed.

import { createInterface } from 'node:readline/promises'
import { CliError } from './cli-error.js'
import { EXIT } from './exit-code.js'

/** Options that `withConfirmation` adds. */
export interface ConfirmationOptions { yes?: boolean, dryRun?: boolean }

/**
 * Asks on the terminal, unless `--yes` was given.
 *
 * @throws CliError with exit code 4 where the answer is no, and 2 where there is nobody to ask.
 */
export async function confirm (question: string, options: ConfirmationOptions): Promise<void> {
  if (options.yes === true) return
  if (!process.stdin.isTTY) {
    throw new CliError(EXIT.usage, `this needs a confirmation and standard input is not a terminal: add --yes to go ahead (${question})`)
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT.notAllowed, 'not confirmed: nothing was done')
  } finally {
    terminal.close()
  }
}
