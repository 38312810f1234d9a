// Which brokers are taken for gone because others cannot reach them.
//
// Two have to say so, or one where there is nobody else to ask. That is no proof: it need not be, since deposing a
// broker that lives costs a change of leaders and nothing else. But where a network is split both sides suspect each
// other, and it matters who is left: whoever is at odds with most goes first, and what he says no longer counts.
//
//      A──B   D          A, B, C suspect D and E, who suspect A, B and C: D and E are at odds with three each,
//       \ /   │          the others with two. D goes, then E; A, B and C are left, who suspect nobody
//        C    E

import type { BrokerRecord, Suspicion } from './cluster-records.js'

/** Who says that of whom, and the revision of it. */
export interface SuspicionEntry extends Suspicion {
  readonly suspect: number
  readonly by: number
  readonly revision: number
}

const VOTES = 2

/** @returns ids of registered brokers that nobody should be led by. */
export function deposedBrokers (
  brokers: ReadonlyMap<number, BrokerRecord>, suspicions: readonly SuspicionEntry[],
): Set<number> {
  const deposed = new Set<number>()
  const isValid = ({ suspect, incarnation, by, byIncarnation }: SuspicionEntry): boolean =>
    suspect !== by && brokers.get(suspect)?.incarnation === incarnation &&
    brokers.get(by)?.incarnation === byIncarnation
  let left = suspicions.filter(isValid).sort((a, b) => a.revision - b.revision)
  while (left.length > 0) {
    const worst = mostAtOdds(left, Math.min(VOTES, brokers.size - deposed.size - 1))
    if (worst === null) break
    deposed.add(worst)
    left = left.filter(({ suspect, by }) => suspect !== worst && by !== worst)
  }
  return deposed
}

/** Of those with enough votes against them the one at odds with most others; among equals the one suspected first. */
function mostAtOdds (suspicions: readonly SuspicionEntry[], votesNeeded: number): number | null {
  const atOdds = new Map<number, Set<number>>()
  const votes = new Map<number, number>()
  const note = (id: number, other: number): void => {
    const others = atOdds.get(id)
    if (others === undefined) atOdds.set(id, new Set([other]))
    else others.add(other)
  }
  for (const { suspect, by } of suspicions) {
    note(suspect, by)
    note(by, suspect)
    votes.set(suspect, (votes.get(suspect) ?? 0) + 1)
  }
  let worst: number | null = null
  for (const [suspect, count] of votes) {
    if (count < votesNeeded) continue
    if (worst === null || atOdds.get(suspect)!.size > atOdds.get(worst)!.size) worst = suspect
  }
  return worst
}
