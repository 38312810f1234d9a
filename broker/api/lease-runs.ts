// Grants as runs: records with consecutive offsets, lease sequences and the same number of deliveries are one row.

import type { LeaseRun } from '@sluice/protocol'
import type { Grants } from '../queue/queue-types.js'

export function leaseRunsOf ({ count, offsets, leaseSequences, deliveries }: Grants): LeaseRun[] {
  const runs: LeaseRun[] = []
  for (let start = 0, row = 1; row <= count; row++) {
    const length = row - start
    const goesOn = row < count && offsets[row] === offsets[start]! + length &&
      leaseSequences[row] === leaseSequences[start]! + length && deliveries[row] === deliveries[start]
    if (goesOn) continue
    runs.push({
      offset: offsets[start]!, count: length, leaseSequence: leaseSequences[start]!, deliveries: deliveries[start]!,
    })
    start = row
  }
  return runs
}
