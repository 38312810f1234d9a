// What happens later: the one place where the control side of a broker gets its timers from, so that a simulator can
// run the same code in its own time.

import { endOfTurn, type EndOfTurn } from './turn.js'

export interface Timers {
  /** Runs something once, `delayMs` from now. @returns the function that calls it off. */
  after (delayMs: number, run: () => void): () => void
  /** Runs something every `intervalMs`, for the first time that long from now. @returns the function that ends it. */
  every (intervalMs: number, run: () => void): () => void
  readonly endOfTurn: EndOfTurn
}

export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  every: (intervalMs, run) => {
    const timer = setInterval(run, intervalMs)
    return () => clearInterval(timer)
  },
  endOfTurn,
}
