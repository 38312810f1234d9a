// The broker's log: structured, one JSON object a line; readable columns where a person watches.

/** What the broker's parts log to: pino's methods, as far as they are used. */
export interface Logger {
  debug (fields: object, message: string): void
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
  child (fields: object): Logger
}

/** Discards everything. */
export const silentLogger: Logger = {
  debug () {},
  info () {},
  warn () {},
  error () {},
  child () { return silentLogger },
}
