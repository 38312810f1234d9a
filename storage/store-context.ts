import type { CommitTurn } from './commit-turn.js'
import type { Disk } from './disk.js'
import type { FileCache } from './file-cache.js'
import type { Delay, LogClock, LogEvent, LogStoreLimits } from './log-types.js'
import type { MetaStore } from './meta-store.js'
import type { ReadMemory } from './read-memory.js'
import type { TailCache } from './tail-cache.js'

/** What all logs of a store share. */
export interface StoreContext {
  /** `DATA/logs` */
  readonly logsDirectory: string
  readonly disk: Disk
  readonly meta: MetaStore
  readonly files: FileCache
  readonly tail: TailCache
  readonly readMemory: ReadMemory
  readonly clock: LogClock
  readonly limits: LogStoreLimits
  readonly turn: CommitTurn
  readonly endOfTurn: (run: () => void) => void
  readonly after: Delay
  readonly report: (event: LogEvent) => void
}
