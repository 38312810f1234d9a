// Ends a move: the leader of a partition makes its learners replicas once they have caught up. Only the leader knows
// that they have; the controller has said who is to learn. What it decides is a compare-and-swap like any other, so it
// does not matter who else decides meanwhile.
//
// Where there are to be fewer replicas all that stay have to be there and to have everything: nobody is sent away while
// those who are left could not go on at once, or would stand no further loss that they stood before.

import { majorityOf, type Member, sameMember } from '../replica/member.js'
import { type PartitionRecord, reconfigure } from '../replica/partition-record.js'
import type { ReplicaMove } from './cluster-records.js'
import { ableBroker } from './controller-core.js'
import type { ControllerView } from './controller-view.js'
import { wantedMembers } from './wanted-members.js'

/**
 * The record with other replicas, where everybody who is to be one has what the others have; null while not, or where
 * nothing is to be changed.
 *
 * @param hasCaughtUp asked about learners and, where there are to be fewer replicas, about those that stay.
 */
export function completedMove (
  record: PartitionRecord, move: ReplicaMove | null, view: Pick<ControllerView, 'brokers' | 'deposed'>,
  hasCaughtUp: (member: Member) => boolean, nonce: string,
): PartitionRecord | null {
  if (!record.active) return null
  const wanted = wantedMembers(record, move, view.brokers)
  const isReplica = (member: Member): boolean => record.replicas.some(replica => sameMember(replica, member))
  const isLearner = (member: Member): boolean => record.learners.some(learner => sameMember(learner, member))
  const added = wanted.filter(member => !isReplica(member))
  if (added.length === 0 && wanted.length === record.replicas.length) return null
  if (!added.every(member => isLearner(member) && hasCaughtUp(member))) return null
  const able = wanted.filter(member => ableBroker(view, member) !== null)
  if (able.length < majorityOf(wanted.length)) return null
  const isReady = (member: Member): boolean => sameMember(member, record.leader) || hasCaughtUp(member)
  if (wanted.length < record.replicas.length && !(able.length === wanted.length && able.every(isReady))) return null
  // Whoever is to lead does so at once: one change of epoch, not two.
  const leader = move === null ? able.find(member => sameMember(member, record.leader)) ?? able[0] : able[0]
  const { incarnation } = ableBroker(view, leader!)!
  return reconfigure(record, wanted, leader!, incarnation, nonce)
}
