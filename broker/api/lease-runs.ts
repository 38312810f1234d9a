// Grants as runs: records with consecutive offsets, lease sequences and the same number of deliveries are one row.

import type { LeaseRun } from '@sluice/protocol'
import type { Grants, SettleItem, SettleKind } from '../queue/queue-types.js'

/** Columns of grants, kept for longer than the group lends them. */
export class HeldGrants {
  readonly count: number
  readonly leaseEpoch: number
  readonly offsets: Float64Array
  readonly leaseSequences: Float64Array
  readonly deliveries: Uint16Array

  constructor ({ count, leaseEpoch, offsets, leaseSequences, deliveries }: Grants) {
    this.count = count
    this.leaseEpoch = leaseEpoch
    this.offsets = offsets.slice(0, count)
    this.leaseSequences = leaseSequences.slice(0, count)
    this.deliveries = deliveries.slice(0, count)
  }
}

/** The runs of those rows that `includes` says. */
export function leaseRunsOf (grants: HeldGrants, includes: (row: number) => boolean): LeaseRun[] {
  const { count, offsets, leaseSequences, deliveries } = grants
  const runs: LeaseRun[] = []
  for (let start = 0, row = 0; row <= count; row++) {
    const isIn = row < count && includes(row)
    const length = row - start
    const goesOn = isIn && length > 0 && offsets[row] === offsets[start]! + length &&
      leaseSequences[row] === leaseSequences[start]! + length && deliveries[row] === deliveries[start]
    if (goesOn) continue
    if (length > 0) {
      runs.push({
        offset: offsets[start]!, count: length, leaseSequence: leaseSequences[start]!, deliveries: deliveries[start]!,
      })
    }
    // A record that is left out ends a run, and begins none.
    start = isIn ? row : row + 1
  }
  return runs
}

/** What settles the leases of those rows that `includes` says. */
export function settleItemsOf (
  grants: HeldGrants, kind: SettleKind, includes: (row: number) => boolean, reason?: string,
): SettleItem[] {
  const { leaseEpoch } = grants
  return leaseRunsOf(grants, includes).map(({ offset, count, leaseSequence }) =>
    ({ kind, offset, count, leaseEpoch, leaseSequence, reason }))
}
