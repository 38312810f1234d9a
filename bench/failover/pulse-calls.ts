// What the process that sends the pulse is asked, and what it answers.

/** What is sent where. */
export interface PulseSetup {
  readonly addresses: readonly string[]
  readonly topic: string
  readonly partitions: number
  /** Records a second over all partitions. */
  readonly rate: number
  /** Bytes of a value. */
  readonly size: number
}

export interface PulseStanding {
  /** Partitions that have acknowledged nothing yet that was sent after the fault. */
  readonly waiting: number
  readonly failed: number
}

/** What a round has shown, by partition. */
export interface PulseRound {
  /** The longest time between two acknowledgements. */
  readonly longestGapMs: number[]
  /** From the fault to the acknowledgement of a record that was sent after it; -1: never. */
  readonly backAfterMs: number[]
  readonly acknowledged: number
  /** Why records were given up. */
  readonly failures: string[]
}

/** In this order: prepare, start, then for each round beginRound, noteFault, standing …, endRound; stop. */
export interface PulseCalls {
  prepare: { argument: PulseSetup, result: null }
  start: { argument: null, result: null }
  beginRound: { argument: null, result: null }
  noteFault: { argument: { atMs: number, partitions: number[] }, result: null }
  standing: { argument: { partitions: number[] }, result: PulseStanding }
  endRound: { argument: null, result: PulseRound }
  stop: { argument: null, result: null }
}
