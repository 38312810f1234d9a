// A failure that the person at the keyboard can do something about.

import type { ExitCode } from './exit-code.js'

/** Says what went wrong and what to do next, and with which code the command ends. */
export class CliError extends Error {
  readonly exitCode: ExitCode

  /** @param message cause and next step, in one or more sentences. */
  constructor (exitCode: ExitCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}
