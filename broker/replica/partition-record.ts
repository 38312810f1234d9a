// What the control store says of a partition: who leads in which epoch, and who takes part. The only way that any of it
// changes is a compare-and-swap from one record to the next; the transitions are the functions of this file.
//
//   epoch 4  replicas ABC          active    prev [ABC]
//      │ failOver to B             T1
//   epoch 5  replicas ABC          inactive  prev [ABC]            B reads a majority of every set in prev,
//      │ B fails before it is done T1                              writes its epoch start, then activates
//   epoch 6  replicas ABC          inactive  prev [ABC]
//      │ activate                  T3
//   epoch 6  replicas ABC          active    prev [ABC]
//      │ withLearners D            T4
//      │ reconfigure to BCD        T2
//   epoch 7  replicas BCD          inactive  prev [ABC]            C reads a majority of ABC …
//      │ fails, failOver to D      T1
//   epoch 8  replicas BCD          inactive  prev [ABC, BCD]       … and of BCD, since 7 may have gone on after all
//
// Invariants: the epoch rises with every change of leader or replicas, so that within an epoch both are fixed; `prev`
// holds every set that may have committed something that is not known to be in all logs of a later one.

import assert from 'node:assert'
import { memberName, type Member } from './member.js'

export interface PartitionRecord {
  readonly epoch: number
  readonly leader: Member
  /** The process that leads: once it is gone, the epoch needs a successor even where the broker is back. */
  readonly leaderIncarnation: string
  /** The voters. */
  readonly replicas: readonly Member[]
  /** The sets of which the leader has to hear a majority each before it may write. */
  readonly prev: readonly (readonly Member[])[]
  /** True once the leader's epoch start is committed: then only `replicas` is left in `prev`. */
  readonly active: boolean
  /** Members that are sent everything and count for nothing. */
  readonly learners: readonly Member[]
  /** The epoch of the last forced recovery; 0: none. What may be lost with it is written into the log. */
  readonly lossEpoch: number
  /** Drawn anew for each change: tells one's own change after an answer that was lost. */
  readonly nonce: string
}

/** The record of a new partition. */
export function firstRecord (
  replicas: readonly Member[], leader: Member, leaderIncarnation: string, nonce: string
): PartitionRecord {
  assertPlacement(replicas)
  const prev = [replicas]
  return { epoch: 1, leader, leaderIncarnation, replicas, prev, active: false, learners: [], lossEpoch: 0, nonce }
}

/** T1: another leader, or the same broker started anew. */
export function failOver (
  record: PartitionRecord, leader: Member, leaderIncarnation: string, nonce: string
): PartitionRecord {
  return {
    ...record, epoch: record.epoch + 1, leader, leaderIncarnation, prev: setsToRead(record), active: false, nonce,
  }
}

/** T2: other replicas. They should have caught up as learners, or the partition stands still until they have. */
export function reconfigure (
  record: PartitionRecord, replicas: readonly Member[], leader: Member, leaderIncarnation: string, nonce: string
): PartitionRecord {
  assertPlacement(replicas)
  const names = new Set(replicas.map(memberName))
  const learners = record.learners.filter(learner => !names.has(memberName(learner)))
  return { ...failOver(record, leader, leaderIncarnation, nonce), replicas, learners }
}

/** T3: the leader's epoch start is committed; null where the record is not of that epoch, or says so already. */
export function activate (record: PartitionRecord, epoch: number, nonce: string): PartitionRecord | null {
  if (record.epoch !== epoch || record.active) return null
  return { ...record, active: true, prev: [record.replicas], nonce }
}

/** T4: members that are to catch up, or none. */
export function withLearners (record: PartitionRecord, learners: readonly Member[], nonce: string): PartitionRecord {
  return { ...record, learners, nonce }
}

/**
 * What an administrator asks for when a majority is gone for ever: `survivors` go on with what they have. Records that
 * were acknowledged may be lost, so it never happens by itself, and the new leader writes down that it did.
 */
export function forceRecover (
  record: PartitionRecord, survivors: readonly Member[], leader: Member, leaderIncarnation: string, nonce: string
): PartitionRecord {
  assertPlacement(survivors)
  const epoch = record.epoch + 1
  return {
    epoch,
    leader,
    leaderIncarnation,
    replicas: survivors,
    prev: [survivors],
    active: false,
    learners: [],
    lossEpoch: epoch,
    nonce,
  }
}

/** True where the files of a replica may go: it is neither a voter nor may anybody have to ask it. */
export function mayDelete (record: PartitionRecord, member: Member): boolean {
  const name = memberName(member)
  const isNamed = (set: readonly Member[]): boolean => set.some(each => memberName(each) === name)
  return record.active && !isNamed(record.replicas) && !isNamed(record.learners) && !record.prev.some(isNamed)
}

function setsToRead (record: PartitionRecord): readonly (readonly Member[])[] {
  if (record.active) return [record.replicas]
  const sets = new Map<string, readonly Member[]>()
  for (const set of [...record.prev, record.replicas]) sets.set(set.map(memberName).sort().join(), set)
  return [...sets.values()]
}

function assertPlacement (replicas: readonly Member[]): void {
  assert(replicas.length > 0, 'a partition has at least one replica')
  assert(new Set(replicas.map(({ brokerId }) => brokerId)).size === replicas.length, 'a broker holds one replica at most')
}
