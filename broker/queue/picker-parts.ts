// What every picker works with.

import type { FreshScan } from './fresh-scan.js'
import type { Journal } from './journal.js'
import type { LaneRates } from './lane-rates.js'
import type { Lifecycle } from './lifecycle.js'
import type { QueueClock } from './queue-clock.js'
import type { QueueConfig } from './queue-settings.js'
import type { QueueState } from './queue-state.js'
import type { LaneIndex, RecordFeed } from './queue-types.js'
import type { ReadyRecords } from './ready-records.js'

export interface PickerParts {
  readonly state: QueueState
  readonly journal: Journal
  readonly clock: QueueClock
  readonly lifecycle: Lifecycle
  readonly scan: FreshScan
  readonly ready: ReadyRecords
  readonly feed: RecordFeed
  readonly laneIndex: LaneIndex
  readonly rates: LaneRates
  /** Share of a fair lane, 0.01 to 100; 1 where nothing else is known. */
  readonly weightOf: (lane: number) => number
  config: QueueConfig
}
