// What was thrown, as words for a person and an exit code for a script.

import { CliError } from './cli-error.js'
import { EXIT, type ExitCode } from './exit-code.js'

/** The fields of a client's BrokerError that matter here; told by shape, so that the client need not be loaded. */
interface BrokerFailure extends Error { readonly code: string, readonly serverCode?: number }

const EXIT_BY_CODE: Readonly<Record<string, ExitCode>> = {
  UNKNOWN_TOPIC: EXIT.notFound,
  UNKNOWN_GROUP: EXIT.notFound,
  AUTHENTICATION: EXIT.notAllowed,
  AUTHORIZATION: EXIT.notAllowed,
  TIMEOUT: EXIT.timedOut,
  CONNECTION: EXIT.timedOut,
}

/** Errors of the storage package whose messages are written for people. */
const EXPLAINED: ReadonlySet<string> = new Set(['DataDirectoryError', 'DiskError', 'LmdbMissingError'])

/** Words and exit code of an error. A fault of the program itself comes with its stack. */
export function explainError (error: unknown): { text: string, exitCode: ExitCode } {
  if (error instanceof CliError) return { text: error.message, exitCode: error.exitCode }
  if (isBrokerFailure(error)) {
    // INVALID that no broker has answered is about what was typed.
    const mistyped = error.code === 'INVALID' && error.serverCode === undefined
    return { text: error.message, exitCode: mistyped ? EXIT.usage : EXIT_BY_CODE[error.code] ?? EXIT.failed }
  }
  if (error instanceof Error && (EXPLAINED.has(error.name) || isSystemError(error))) {
    const { code = '' } = error as NodeJS.ErrnoException
    const exitCode = code === 'ENOENT' ? EXIT.notFound : EXIT.failed
    return { text: error.message.includes(code) ? error.message : `${error.message} [${code}]`, exitCode }
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error)
  return { text: `this should not happen, please report it: ${text}`, exitCode: EXIT.failed }
}

function isSystemError (error: Error): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

function isBrokerFailure (error: unknown): error is BrokerFailure {
  return error instanceof Error && error.name === 'BrokerError' && typeof (error as BrokerFailure).code === 'string'
}
