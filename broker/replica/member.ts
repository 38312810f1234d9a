// Who takes part in a partition: a broker together with the store that it keeps its replicas in. A broker whose disk
// was wiped or replaced comes back with another store, so it is another member: what the old one promised and
// acknowledged it knows nothing of.

/** A voter or a learner of a partition. */
export interface Member {
  readonly brokerId: number
  /** Made when the store was formatted, beside the promises: whoever loses these loses the name too. */
  readonly storeId: string
}

/** The same as a string, for maps and messages. */
export function memberName (member: Member): string {
  return `${member.brokerId}/${member.storeId}`
}

export function sameMember (a: Member, b: Member): boolean {
  return a.brokerId === b.brokerId && a.storeId === b.storeId
}

/** How many of `count` members are more than half. */
export function majorityOf (count: number): number {
  return Math.floor(count / 2) + 1
}

/**
 * The highest offset that a majority has reached.
 *
 * @param offsets of each member of a set: reordered by the call.
 */
export function majorityOffset (offsets: number[]): number {
  offsets.sort((a, b) => b - a)
  return offsets[majorityOf(offsets.length) - 1] ?? 0
}
