// What strikes a cluster.

import type { FaultWorld } from './fault-world.js'

/** What was done, for people; null where it could not be done now. */
export type FaultOutcome = string | null

/** It begins, lasts, and is made good before it resolves. */
export interface Fault {
  readonly run: (world: FaultWorld) => Promise<FaultOutcome>
  /** Nothing else is broken meanwhile: it is about what must go well, or nothing else would be left. */
  readonly isAlone?: boolean
}
