// Records as they are read, made into runs for the journal.

import type { LaneRecord } from './lane-record.js'
import type { ReadRun } from './stream-journal.js'

export class ReadRuns {
  readonly runs: ReadRun[] = []

  add (offset: number, { producer, sequence }: LaneRecord): void {
    const last = this.runs.at(-1)
    if (last !== undefined && last[1] === producer && last[0] + last[3] === offset && last[2] + last[3] === sequence) {
      this.runs[this.runs.length - 1] = [last[0], producer, last[2], last[3] + 1]
    } else {
      this.runs.push([offset, producer, sequence, 1])
    }
  }
}
