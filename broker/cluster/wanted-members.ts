// Who is to hold a partition: whom somebody asked for, else who holds it now; each with the store that it has now.

import type { Member } from '../replica/member.js'
import type { PartitionRecord } from '../replica/partition-record.js'
import type { BrokerRecord, ReplicaMove } from './cluster-records.js'

export function memberOf ({ brokerId, storeId }: BrokerRecord): Member { return { brokerId, storeId } }

/**
 * The members that there should be; those that are not replicas yet have to catch up first. A broker that came back
 * with another store is another member: the new one is wanted in place of the old one.
 */
export function wantedMembers (
  record: PartitionRecord, move: ReplicaMove | null, brokers: ReadonlyMap<number, BrokerRecord>,
): Member[] {
  const ids = move?.replicas ?? record.replicas.map(({ brokerId }) => brokerId)
  return ids.map(brokerId => {
    const broker = brokers.get(brokerId)
    if (broker !== undefined) return memberOf(broker)
    return record.replicas.find(member => member.brokerId === brokerId) ?? { brokerId, storeId: '' }
  })
}

/** True where exactly those hold the partition that were asked for, and the first of them leads. */
export function isMoveDone (record: PartitionRecord, move: ReplicaMove): boolean {
  const held = record.replicas.map(({ brokerId }) => brokerId)
  return held.length === move.replicas.length && move.replicas.every(brokerId => held.includes(brokerId)) &&
    record.leader.brokerId === move.replicas[0]
}
