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
// A control store that is put back to an older state forgets epochs, and with them who took part. Whoever has promised
// more than the record says writes that into it (`overtake`, T5): from then on nothing changes by itself, since an
// epoch could come twice, and those whom the record names may have forgotten what they had. Somebody has to say who
// goes on.
//
// Invariants: the epoch rises with every change of leader or replicas, so that within an epoch both are fixed; `prev`
// holds every set that may have committed something that is not known to be in all logs of a later one.

import assert from 'node:assert'
import { memberName, type Member } from './member.js'

/** Epochs that the control store has forgotten. */
export interface Overtaken {
  /** The newest that somebody has promised. */
  readonly epoch: number
  /** Who has promised more than the record says, and so may have records that those whom it names do not have. */
  readonly by: readonly Member[]
}

/** A forced recovery, as it is remembered. */
export interface RecordedLoss {
  readonly epoch: number
  /** Milliseconds since 1970-01-01 UTC. */
  readonly atMs: number
  /** Where the log went on; -1 while its leader has not begun. */
  readonly cutOffset: number
  /** Brokers whose replicas were given up. */
  readonly givenUp: readonly number[]
}

/** How many forced recoveries of a partition are remembered, the newest ones. */
const LOSSES_MAX = 8

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
  /** Forced recoveries, the newest last; left out where there was none. */
  readonly losses?: readonly RecordedLoss[]
  /** Left out where nobody knows of a newer epoch: as long as the control store has forgotten nothing. */
  readonly overtaken?: Overtaken
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

/**
 * T3: the leader's epoch start is committed; null where the record is not of that epoch, or says so already.
 *
 * @param cutOffset where the log went on after a forced recovery, by who has begun the epoch after it.
 */
export function activate (
  record: PartitionRecord, epoch: number, nonce: string, cutOffset: number | null = null,
): PartitionRecord | null {
  if (record.epoch !== epoch || record.active || isOvertaken(record)) return null
  const activated = { ...record, active: true, prev: [record.replicas], nonce }
  if (cutOffset === null || record.losses === undefined) return activated
  const losses = record.losses.map(loss => loss.epoch === record.lossEpoch ? { ...loss, cutOffset } : loss)
  return { ...activated, losses }
}

/** T4: members that are to catch up, or none. */
export function withLearners (record: PartitionRecord, learners: readonly Member[], nonce: string): PartitionRecord {
  return { ...record, learners, nonce }
}

/**
 * T5: a member has promised an epoch that the record does not know; null where it knows it, or has been told so. Its
 * record has to have been read after the promise was made.
 */
export function overtake (
  record: PartitionRecord, promised: number, by: Member, nonce: string,
): PartitionRecord | null {
  if (promised <= record.epoch) return null
  const { epoch = 0, by: known = [] } = record.overtaken ?? {}
  const isKnown = known.some(member => memberName(member) === memberName(by))
  if (isKnown && epoch >= promised) return null
  return { ...record, overtaken: { epoch: Math.max(epoch, promised), by: isKnown ? known : [...known, by] }, nonce }
}

/** True where the control store has forgotten epochs: nobody leads, and nothing changes by itself. */
export function isOvertaken ({ overtaken }: PartitionRecord): boolean { return overtaken !== undefined }

/**
 * What an administrator asks for when a majority is gone for ever, or the control store has forgotten epochs:
 * `survivors` go on with what they have. Records that were acknowledged may be lost, so it never happens by itself, and
 * the new leader writes down that it did.
 *
 * @param atMs milliseconds since 1970-01-01 UTC.
 */
export function forceRecover (
  record: PartitionRecord, survivors: readonly Member[], leader: Member, leaderIncarnation: string, nonce: string,
  atMs = 0,
): PartitionRecord {
  assertPlacement(survivors)
  const epoch = Math.max(record.epoch, record.overtaken?.epoch ?? 0) + 1
  const kept = new Set(survivors.map(memberName))
  const givenUp = record.replicas.filter(member => !kept.has(memberName(member))).map(({ brokerId }) => brokerId)
  const loss: RecordedLoss = { epoch, atMs, cutOffset: -1, givenUp: givenUp.sort((a, b) => a - b) }
  return {
    epoch,
    leader,
    leaderIncarnation,
    replicas: survivors,
    // All of them have to answer, not a majority: any may be the only one that has something.
    prev: survivors.map(survivor => [survivor]),
    active: false,
    learners: [],
    lossEpoch: epoch,
    losses: [...record.losses ?? [], loss].slice(-LOSSES_MAX),
    nonce,
  }
}

/** True where the files of a replica may go: it is neither a voter nor may anybody have to ask it. */
export function mayDelete (record: PartitionRecord, member: Member): boolean {
  const name = memberName(member)
  const isNamed = (set: readonly Member[]): boolean => set.some(each => memberName(each) === name)
  return record.active && !isOvertaken(record) && !isNamed(record.replicas) && !isNamed(record.learners) &&
    !record.prev.some(isNamed)
}

/** The sets of which the next leader has to hear a majority each. */
export function setsToRead (record: PartitionRecord): readonly (readonly Member[])[] {
  if (record.active) return [record.replicas]
  const sets = new Map<string, readonly Member[]>()
  for (const set of [...record.prev, record.replicas]) sets.set(set.map(memberName).sort().join(), set)
  return [...sets.values()]
}

function assertPlacement (replicas: readonly Member[]): void {
  assert(replicas.length > 0, 'a partition has at least one replica')
  assert(new Set(replicas.map(({ brokerId }) => brokerId)).size === replicas.length, 'a broker holds one replica at most')
}
