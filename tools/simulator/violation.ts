/** A checker found that an invariant does not hold: the run is over. */
export class Violation extends Error {
  /** I1 to I14 of the design, 'liveness', 'crash' for an assertion of the product, or 'coverage'. */
  readonly invariant: string

  constructor (invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.name = 'Violation'
    this.invariant = invariant
  }
}
