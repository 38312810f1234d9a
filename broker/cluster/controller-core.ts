// Decides who leads and who takes part, from what the cluster looks like now. No promise, no clock, no store: the same
// view at the same time gives the same decisions, and ControllerDriver puts them into force.
//
//   leader's process      registered again as another one, or suspected   another leader at once
//                         not registered                                  another leader after `graceMs`
//   epoch does not begin  for `stuckMs`, twice as long with each try      the next one
//   members               asked for, or another store of the same broker  learners, so many at once
//                         have caught up                                  their leader sees to it: move-completion.ts
//
// All of it is a proposal to compare and swap. A decision that is wrong costs a change of leader, one that is late
// costs time. A partition is left alone while no majority of each set that has to be asked is there: a new epoch could
// not begin either. So is one of which the control store has forgotten epochs: that is for people to decide.

import { majorityOf, type Member, memberName, sameMember } from '../replica/member.js'
import { failOver, isOvertaken, type PartitionRecord, withLearners } from '../replica/partition-record.js'
import { severityOf } from '../replica-host/storage-watch.js'
import type { BrokerRecord } from './cluster-records.js'
import { type ControllerView, type Decision, type PartitionEntry, partitionName } from './controller-view.js'
import { isMoveDone, memberOf, wantedMembers } from './wanted-members.js'

export interface ControllerLimits {
  /** A leader that is no longer registered has so long to come back: a control store that fails over drops leases. */
  readonly graceMs: number
  /** An epoch that has not begun after so long gets a successor. */
  readonly stuckMs: number
  readonly stuckMsMax: number
  /** Partitions that one broker receives at once. */
  readonly learnersPerBroker: number
}

export const CONTROLLER_LIMITS: ControllerLimits = Object.freeze({
  graceMs: 2_000, stuckMs: 4_000, stuckMsMax: 60_000, learnersPerBroker: 4,
})

/** An epoch that has not begun, and for how long that has been seen. */
interface Inactive { epoch: number, sinceMs: number, waitMs: number }

export class ControllerCore {
  private readonly limits: ControllerLimits
  private readonly makeNonce: () => string
  /** Since when a process is not registered any more, by broker and incarnation. */
  private readonly missingSinceMs = new Map<string, number>()
  private readonly inactive = new Map<string, Inactive>()

  constructor (makeNonce: () => string, limits: ControllerLimits = CONTROLLER_LIMITS) {
    this.makeNonce = makeNonce
    this.limits = limits
  }

  /** @param nowMs milliseconds that never go back. */
  decide (view: ControllerView, nowMs: number): Decision[] {
    const decisions: Decision[] = []
    const leads = leadsOf(view)
    const learning = learningOf(view)
    const missing = new Set<string>()
    for (const entry of view.partitions) {
      if (isOvertaken(entry.record)) continue
      const decision = this.replaceLeader(view, entry, leads, missing, nowMs) ??
        this.moveReplicas(view, entry, learning)
      if (decision !== null) decisions.push(decision)
    }
    for (const process of this.missingSinceMs.keys()) if (!missing.has(process)) this.missingSinceMs.delete(process)
    this.forgetGone(view)
    return decisions
  }

  private replaceLeader (
    view: ControllerView, entry: PartitionEntry, leads: Map<number, number>, missing: Set<string>, nowMs: number,
  ): Decision | null {
    const { record } = entry
    const isGone = this.isLeaderGone(view, record, missing, nowMs)
    const isStuck = this.isStuck(entry, nowMs)
    if (!isGone && !isStuck) return null
    const able = record.replicas.flatMap(member => ableBroker(view, member) ?? [])
    if (!canBegin(view, record)) return null
    const leader = isGone ? leastLeading(able, leads, view) : nextOf(able, record)
    if (leader === null) return null
    leads.set(leader.brokerId, (leads.get(leader.brokerId) ?? 0) + 1)
    return {
      kind: 'fail-over',
      entry,
      record: failOver(record, memberOf(leader), leader.incarnation, this.makeNonce()),
    }
  }

  private isLeaderGone (view: ControllerView, record: PartitionRecord, missing: Set<string>, nowMs: number): boolean {
    const { leader, leaderIncarnation } = record
    const broker = view.brokers.get(leader.brokerId)
    if (broker !== undefined) {
      const isSame = broker.incarnation === leaderIncarnation && broker.storeId === leader.storeId
      return !isSame || view.deposed.has(leader.brokerId)
    }
    const process = `${leader.brokerId}/${leaderIncarnation}`
    missing.add(process)
    const sinceMs = this.missingSinceMs.get(process) ?? nowMs
    this.missingSinceMs.set(process, sinceMs)
    return nowMs - sinceMs >= this.limits.graceMs
  }

  private isStuck ({ topicId, partition, record }: PartitionEntry, nowMs: number): boolean {
    const name = partitionName(topicId, partition)
    if (record.active) {
      this.inactive.delete(name)
      return false
    }
    const seen = this.inactive.get(name)
    if (seen === undefined) {
      this.inactive.set(name, { epoch: record.epoch, sinceMs: nowMs, waitMs: this.limits.stuckMs })
      return false
    }
    if (seen.epoch !== record.epoch) {
      seen.epoch = record.epoch
      seen.sinceMs = nowMs
      return false
    }
    if (nowMs - seen.sinceMs < seen.waitMs) return false
    seen.sinceMs = nowMs
    seen.waitMs = Math.min(seen.waitMs * 2, this.limits.stuckMsMax)
    return true
  }

  private moveReplicas (view: ControllerView, entry: PartitionEntry, learning: Map<number, number>): Decision | null {
    const { record, topicId, partition } = entry
    const move = view.moveOf(topicId, partition)
    const wanted = wantedMembers(record, move, view.brokers)
    const missing = wanted.filter(member => !isIn(record.replicas, member))
    if (missing.length === 0) return this.finishMove(view, entry, wanted)
    // A broker that is not there cannot learn; its place waits for it.
    if (!missing.every(member => ableBroker(view, member) !== null)) return null
    const isLearning = missing.every(member => isIn(record.learners, member))
    if (isLearning && record.learners.length === missing.length) return null
    const added = missing.filter(member => !isIn(record.learners, member))
    const hasRoom = added.every(({ brokerId }) => (learning.get(brokerId) ?? 0) < this.limits.learnersPerBroker)
    if (!hasRoom) return null
    for (const { brokerId } of added) learning.set(brokerId, (learning.get(brokerId) ?? 0) + 1)
    return { kind: 'learners', entry, record: withLearners(record, missing, this.makeNonce()) }
  }

  /** Everybody who is to be a replica is one. */
  private finishMove (view: ControllerView, entry: PartitionEntry, wanted: readonly Member[]): Decision | null {
    const { record, topicId, partition } = entry
    const move = view.moveOf(topicId, partition)
    if (record.learners.length > 0 && record.replicas.length === wanted.length) {
      return { kind: 'learners', entry, record: withLearners(record, [], this.makeNonce()) }
    }
    if (move === null || record.replicas.length !== wanted.length || !record.active) return null
    if (isMoveDone(record, move)) return { kind: 'move-done', entry, record }
    const leader = ableBroker(view, wanted[0]!)
    // Where its disk is in trouble it would hand over at once.
    if (leader === null || leader.impaired !== undefined || !canBegin(view, record)) return null
    return { kind: 'fail-over', entry, record: failOver(record, wanted[0]!, leader.incarnation, this.makeNonce()) }
  }

  private forgetGone (view: ControllerView): void {
    if (this.inactive.size <= view.partitions.length) return
    const there = new Set(view.partitions.map(({ topicId, partition }) => partitionName(topicId, partition)))
    for (const name of this.inactive.keys()) if (!there.has(name)) this.inactive.delete(name)
  }
}

/** The broker of a member, where it is there with the same store and can be reached; null otherwise. */
export function ableBroker (
  view: Pick<ControllerView, 'brokers' | 'deposed'>, member: Member,
): BrokerRecord | null {
  const broker = view.brokers.get(member.brokerId)
  if (broker === undefined || broker.storeId !== member.storeId || view.deposed.has(member.brokerId)) return null
  return broker
}

/** True where a majority of each set that the next leader has to ask is there. */
function canBegin (view: ControllerView, record: PartitionRecord): boolean {
  const sets = record.active ? [record.replicas] : [...record.prev, record.replicas]
  return sets.every(set => set.filter(member => ableBroker(view, member) !== null).length >= majorityOf(set.length))
}

/** Of those the one that leads least, in proportion; last those being emptied, and those with a disk in trouble. */
function leastLeading (
  able: readonly BrokerRecord[], leads: ReadonlyMap<number, number>, view: ControllerView,
): BrokerRecord | null {
  let best: BrokerRecord | null = null
  let bestLoad = Infinity
  for (const broker of able) {
    const penalty = severityOf(broker.impaired) * 1e12 + (view.draining.has(broker.brokerId) ? 1e9 : 0)
    const load = (leads.get(broker.brokerId) ?? 0) / broker.capacity + penalty
    if (load >= bestLoad) continue
    best = broker
    bestLoad = load
  }
  return best
}

/** The one behind the leader, round and round: each in its turn, those whose disk is well before the others. */
function nextOf (able: readonly BrokerRecord[], { replicas, leader }: PartitionRecord): BrokerRecord | null {
  const at = replicas.findIndex(member => sameMember(member, leader))
  const others: BrokerRecord[] = []
  for (let step = 1; step < replicas.length; step++) {
    const { brokerId } = replicas[(at + step) % replicas.length]!
    const broker = able.find(each => each.brokerId === brokerId)
    if (broker !== undefined && brokerId !== leader.brokerId) others.push(broker)
  }
  return others.find(({ impaired }) => impaired === undefined) ?? others[0] ?? null
}

function leadsOf ({ partitions }: ControllerView): Map<number, number> {
  const leads = new Map<number, number>()
  for (const { record: { leader: { brokerId } } } of partitions) leads.set(brokerId, (leads.get(brokerId) ?? 0) + 1)
  return leads
}

function learningOf ({ partitions }: ControllerView): Map<number, number> {
  const learning = new Map<number, number>()
  for (const { record: { learners } } of partitions) {
    for (const { brokerId } of learners) learning.set(brokerId, (learning.get(brokerId) ?? 0) + 1)
  }
  return learning
}

function isIn (members: readonly Member[], member: Member): boolean {
  const name = memberName(member)
  return members.some(each => memberName(each) === name)
}
