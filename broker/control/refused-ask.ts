// A request of another broker, or of this one, that was not done; the same one may be done later, or elsewhere.

export class RefusedAsk extends Error {
  /** An error number of the protocol. */
  readonly code: number

  constructor (code: number, message: string) {
    super(message)
    this.name = 'RefusedAsk'
    this.code = code
  }
}
