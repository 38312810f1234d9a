// What holds partitions up, and what was given up of them, for people to see: from the records in the control store,
// and from what the replicas of the brokers that answer say.
//
//   overtaken    the control store has forgotten epochs: somebody has to say who goes on
//   blocked      a member has acknowledged more than anybody has now
//   recovering   its leader waits for members of the sets that it has to ask
//   leaderless   who is to lead is not there
//   repairing    a replica that may have lost something is being filled

import { majorityOf, type Member } from '../replica/member.js'
import { isOvertaken, setsToRead } from '../replica/partition-record.js'
import type { PartitionPlacement } from '../replica-host/partition-placements.js'
import type { HeldTrouble } from '../replica-host/replica-table.js'
import { ableBroker } from './controller-core.js'
import type { ControllerView } from './controller-view.js'

/** The worst first. */
const STATES = ['overtaken', 'blocked', 'recovering', 'leaderless', 'repairing'] as const

export interface PartitionTrouble {
  readonly topic: string
  readonly partition: number
  readonly state: typeof STATES[number]
  readonly epoch: number
  readonly leader: number
  /** Ids of brokers, as all of these. */
  readonly waitsFor: number[]
  readonly untrusted: number[]
}

export interface PartitionLoss {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly at: number
  readonly fromOffset: number
  readonly givenUp: number[]
}

type View = Pick<ControllerView, 'brokers' | 'deposed'>

/** What is wrong by the record alone; null where nothing is. */
export function recordTrouble (view: View, { topic, partition, record }: PartitionPlacement): PartitionTrouble | null {
  const { epoch, leader: { brokerId: leader }, overtaken } = record
  const place = { topic: topic.name, partition, epoch, leader, untrusted: [] }
  if (overtaken !== undefined) return { ...place, state: 'overtaken', waitsFor: idsOf(overtaken.by) }
  if (isLed(view, { record })) return null
  const isGone = (member: Member): boolean => ableBroker(view, member) === null
  const short = setsToRead(record).filter(set => set.length - set.filter(isGone).length < majorityOf(set.length))
  return { ...place, state: 'leaderless', waitsFor: idsOf(short.flat().filter(isGone)) }
}

/** True where the process that is to lead is there. */
export function isLed (view: View, { record }: Pick<PartitionPlacement, 'record'>): boolean {
  return !isOvertaken(record) && ableBroker(view, record.leader)?.incarnation === record.leaderIncarnation
}

/** The same as a replica has it. */
export function heldTrouble ({ topic, record }: PartitionPlacement, held: HeldTrouble): PartitionTrouble {
  const { partition, state, waitsFor, untrusted } = held
  const { epoch, leader: { brokerId: leader } } = record
  return { topic: topic.name, partition, state, epoch, leader, waitsFor: [...waitsFor], untrusted: [...untrusted] }
}

/** One for each partition, by topic and number: the worst state, and all that are waited for or doubtful. */
export function mergeTroubles (troubles: Iterable<PartitionTrouble>): PartitionTrouble[] {
  const merged = new Map<string, PartitionTrouble>()
  for (const trouble of troubles) {
    const name = `${trouble.topic}/${trouble.partition}`
    const known = merged.get(name)
    merged.set(name, known === undefined ? trouble : worseOf(known, trouble))
  }
  return [...merged.values()].sort(byPlace)
}

function worseOf (a: PartitionTrouble, b: PartitionTrouble): PartitionTrouble {
  const worse = STATES.indexOf(a.state) <= STATES.indexOf(b.state) ? a : b
  const both = (one: readonly number[], other: readonly number[]): number[] =>
    [...new Set([...one, ...other])].sort((x, y) => x - y)
  return { ...worse, waitsFor: both(a.waitsFor, b.waitsFor), untrusted: both(a.untrusted, b.untrusted) }
}

/** Forced recoveries of a partition. */
export function lossesOf ({ topic, partition, record: { losses = [] } }: PartitionPlacement): PartitionLoss[] {
  return losses.map(({ epoch, atMs, cutOffset, givenUp }) =>
    ({ topic: topic.name, partition, epoch, at: atMs, fromOffset: cutOffset, givenUp: [...givenUp] }))
}

function idsOf (members: readonly Member[]): number[] {
  return [...new Set(members.map(({ brokerId }) => brokerId))].sort((a, b) => a - b)
}

export function byPlace (
  a: { readonly topic: string, readonly partition: number }, b: { readonly topic: string, readonly partition: number },
): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
}
