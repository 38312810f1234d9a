import { logName } from './log-key.js'
import type { LogId, LogReadError } from './log-types.js'

/** A LogReadError as an exception. */
export class LogReadFailure extends Error {
  readonly reason: LogReadError

  constructor (id: LogId, reason: LogReadError) {
    super(`read of ${logName(id)}: ${JSON.stringify(reason)}`)
    this.name = 'LogReadFailure'
    this.reason = reason
  }
}
