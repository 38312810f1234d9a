// What a proxy does with the connections of one source.

export interface LinkRule {
  readonly there: 'pass' | 'hold' | 'refuse'
  readonly back: 'pass' | 'hold'
  /** Each chunk comes so much later, in milliseconds, on each of both ways. Default 0. */
  readonly delayMs?: number
  /** Share of chunks that are lost at first, and come 200 ms to 600 ms later. Default 0. */
  readonly lossShare?: number
}

export const PASSING: LinkRule = { there: 'pass', back: 'pass' }
