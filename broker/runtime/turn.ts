// The end of an event-loop turn: callbacks of I/O only mark what they touched as dirty; the work is done once, here.

/** Schedules work for the end of the running turn. Each function runs once, in the order given. */
export type EndOfTurn = (run: () => void) => void

export const endOfTurn: EndOfTurn = run => { setImmediate(run) }
