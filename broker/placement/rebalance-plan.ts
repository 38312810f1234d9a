// What to move so that every broker holds its fair share again, and no more than that.
//
//   1. no more than there are to be               a change of the number that was broken off leaves some with more
//   2. off brokers that are to hold nothing       drained, or gone for good: what they hold has to go somewhere
//   3. no fewer than there are to be              a forced recovery leaves a partition with fewer
//   4. apart, where two share a rack and need not
//   5. even                                       only what brings a broker that is out of bounds to its fair share
//   6. leaders                                    shared evenly
//
// Loads within the bounds (half the fair share to fair share × 1.25) are left alone, so that a plan for a balanced
// cluster is empty, and applying a plan and planning again moves nothing. The ring says which replicas a broker takes:
// those of partitions that it follows soonest. It is all data: nothing happens before somebody puts the moves down.

import { BrokerLoads } from './broker-loads.js'
import { chooseReplicas, rackOf } from './choose-replicas.js'
import { cutReplicas } from './cut-replicas.js'
import { HashRing } from './hash-ring.js'
import { leaderFirst } from './place-partitions.js'
import type { PlacedPartition, PlacementBroker } from './placement-types.js'

/** One partition, as it is and as it is to be. */
export interface Move {
  readonly topicId: string
  readonly partition: number
  readonly from: readonly number[]
  /** The first is to lead. Where it holds the same brokers as `from`, only the leader changes. */
  readonly to: readonly number[]
}

export interface RebalancePlan {
  readonly moves: readonly Move[]
  /** Replicas that have to be copied to another broker. */
  readonly copies: number
  /** The fewest copies that any plan to the same end needs. */
  readonly copiesLeast: number
  /** Partitions whose leader changes and nothing else. */
  readonly leaderChanges: number
}

/**
 * A broker with less than this part of its fair share is filled up. The ring spreads like dice: a broker a little below
 * is no reason to copy anything.
 */
const LOAD_LEAST = 0.5

interface Slot {
  readonly placed: PlacedPartition
  /** Brokers as the ring has them for this partition. */
  readonly order: readonly PlacementBroker[]
  replicas: number[]
}

/** @param brokers those that may hold replicas; what any other one holds goes to these. */
export function planRebalance (
  brokers: readonly PlacementBroker[], partitions: readonly PlacedPartition[],
): RebalancePlan {
  return brokers.length === 0 ? EMPTY_PLAN : new Planner(brokers, partitions).plan()
}

/** Only an order of the replicas in which leading is shared evenly: nothing is copied. */
export function planLeaders (
  brokers: readonly PlacementBroker[], partitions: readonly PlacedPartition[],
): RebalancePlan {
  return brokers.length === 0 ? EMPTY_PLAN : new Planner(brokers, partitions).planLeaders()
}

const EMPTY_PLAN: RebalancePlan = { moves: [], copies: 0, copiesLeast: 0, leaderChanges: 0 }

class Planner {
  private readonly brokers: ReadonlyMap<number, PlacementBroker>
  private readonly ring: HashRing
  private readonly loads: BrokerLoads
  private readonly slots: Slot[]
  private copiesLeast = 0

  constructor (brokers: readonly PlacementBroker[], partitions: readonly PlacedPartition[]) {
    this.brokers = new Map(brokers.map(broker => [broker.brokerId, broker]))
    this.ring = new HashRing(brokers)
    const total = partitions.reduce((sum, { replicas: { length }, replicationFactor = length }) =>
      sum + Math.min(replicationFactor, Math.max(length, brokers.length)), 0)
    this.loads = new BrokerLoads(brokers, total)
    this.slots = [...partitions]
      .sort((a, b) => a.topicId === b.topicId ? a.partition - b.partition : a.topicId < b.topicId ? -1 : 1)
      .map(placed => ({
        placed, order: this.ring.order(placed.topicId, placed.partition), replicas: [...placed.replicas],
      }))
    for (const { replicas } of this.slots) for (const brokerId of replicas) this.loads.add(brokerId)
  }

  plan (): RebalancePlan {
    for (const slot of this.slots) this.cutBack(slot)
    for (const slot of this.slots) this.leaveGone(slot)
    for (const slot of this.slots) this.fillUp(slot)
    for (const slot of this.slots) this.separateRacks(slot)
    this.evenOut()
    return this.planLeaders()
  }

  planLeaders (): RebalancePlan {
    this.shareLeading()
    const moves: Move[] = []
    let copies = 0
    let leaderChanges = 0
    for (const { placed: { topicId, partition, replicas: from }, replicas: to } of this.slots) {
      const added = to.filter(brokerId => !from.includes(brokerId)).length
      const isSame = added === 0 && to.length === from.length
      if (isSame && to[0] === from[0]) continue
      moves.push({ topicId, partition, from, to })
      copies += added
      if (isSame) leaderChanges++
    }
    return { moves, copies, copiesLeast: this.copiesLeast, leaderChanges }
  }

  private cutBack (slot: Slot): void {
    const { placed: { replicationFactor: count, held = slot.replicas }, order, replicas } = slot
    if (count === undefined || replicas.length <= count) return
    this.replace(slot, cutReplicas({ replicas, held, count, brokers: this.brokers, order, loads: this.loads }))
  }

  private leaveGone (slot: Slot): void {
    const kept = slot.replicas.filter(brokerId => this.brokers.has(brokerId))
    const leaving = slot.replicas.length - kept.length
    if (leaving === 0) return
    const chosen = this.choose(slot, kept, slot.replicas.length)
    // A replica that has no other place stays where it is: moving is no reason to have fewer copies.
    const left = slot.replicas.filter(brokerId => !this.brokers.has(brokerId)).slice(chosen.length)
    this.copiesLeast += chosen.length
    this.replace(slot, [...kept, ...chosen, ...left])
  }

  private fillUp (slot: Slot): void {
    const { placed: { replicationFactor = 0 }, replicas } = slot
    if (replicas.length >= replicationFactor) return
    const chosen = this.choose(slot, replicas, replicationFactor)
    this.copiesLeast += chosen.length
    this.replace(slot, [...replicas, ...chosen])
  }

  private separateRacks (slot: Slot): void {
    const racks = new Set<string>()
    const kept: number[] = []
    for (const brokerId of slot.replicas) {
      const broker = this.brokers.get(brokerId)
      const rack = broker === undefined ? `#${brokerId}` : rackOf(broker)
      if (!racks.has(rack)) kept.push(brokerId)
      racks.add(rack)
    }
    for (const doubled of slot.replicas.filter(brokerId => !kept.includes(brokerId))) {
      const [chosen] = this.choose(slot, kept, kept.length + 1)
      const isApart = chosen !== undefined && !racks.has(rackOf(this.brokers.get(chosen)!))
      kept.push(isApart ? chosen : doubled)
      if (!isApart) continue
      racks.add(rackOf(this.brokers.get(chosen)!))
      this.copiesLeast++
    }
    this.replace(slot, kept)
  }

  /** Brokers below their bounds take from the fullest, then brokers above theirs give to the emptiest. */
  private evenOut (): void {
    const { loads } = this
    const ids = this.ids()
    const low = ids.filter(id => loads.count(id) < Math.floor(loads.fairShare(id) * LOAD_LEAST))
    const high = ids.filter(id => loads.count(id) > loads.bound(id))
    const missing = low.reduce((sum, id) => sum + Math.floor(loads.fairShare(id)) - loads.count(id), 0)
    const surplus = high.reduce((sum, id) => sum + loads.count(id) - Math.ceil(loads.fairShare(id)), 0)
    let moved = 0
    for (const taker of low) {
      const wanted = Math.floor(loads.fairShare(taker))
      while (loads.count(taker) < wanted && this.take(taker)) moved++
    }
    for (const giver of high) {
      const wanted = Math.ceil(loads.fairShare(giver))
      while (loads.count(giver) > wanted && this.give(giver)) moved++
    }
    // Racks may forbid some of it; what was not possible no plan could have done.
    this.copiesLeast += Math.min(moved, Math.max(missing, surplus))
  }

  /** Takes one replica from the fullest broker that is above its share and may give it. */
  private take (taker: number): boolean {
    const { loads } = this
    const givers = this.ids()
      .filter(id => id !== taker && loads.count(id) > loads.fairShare(id))
      .sort((a, b) => loads.fullness(b) - loads.fullness(a) || a - b)
    return givers.some(giver => this.moveOne(giver, taker))
  }

  /** Gives one replica to the emptiest broker that may take it. */
  private give (giver: number): boolean {
    const { loads } = this
    const takers = this.ids()
      .filter(id => id !== giver && loads.count(id) < Math.ceil(loads.fairShare(id)))
      .sort((a, b) => loads.fullness(a) - loads.fullness(b) || a - b)
    return takers.some(taker => this.moveOne(giver, taker))
  }

  /** Of the replicas that may go from one to the other, that of the partition which the taker follows soonest. */
  private moveOne (giver: number, taker: number): boolean {
    let best: Slot | null = null
    let bestRank = Infinity
    for (const slot of this.slots) {
      if (!slot.replicas.includes(giver) || slot.replicas.includes(taker)) continue
      const rank = slot.order.findIndex(({ brokerId }) => brokerId === taker)
      if (rank >= bestRank || !this.maySwap(slot, giver, taker)) continue
      best = slot
      bestRank = rank
    }
    if (best === null) return false
    this.replace(best, best.replicas.map(brokerId => brokerId === giver ? taker : brokerId))
    return true
  }

  /** No swap may bring two replicas into one rack that were apart. */
  private maySwap (slot: Slot, giver: number, taker: number): boolean {
    const rack = rackOf(this.brokers.get(taker)!)
    return slot.replicas.every(brokerId => {
      const broker = this.brokers.get(brokerId)
      return brokerId === giver || broker === undefined || rackOf(broker) !== rack
    })
  }

  private choose ({ order }: Slot, kept: readonly number[], count: number): number[] {
    const { brokers, loads } = this
    // Up to the fair share and not to the bound: what is copied anyway fills those that have least.
    const hasRoom = (brokerId: number): boolean => loads.count(brokerId) < Math.ceil(loads.fairShare(brokerId))
    const known = kept.flatMap(brokerId => brokers.get(brokerId) ?? [])
    const missing = count - kept.length
    return chooseReplicas({ order, kept: known, count: known.length + missing, hasRoom, loads })
      .map(({ brokerId }) => brokerId)
  }

  private ids (): number[] { return this.ring.brokers.map(({ brokerId }) => brokerId) }

  private replace (slot: Slot, replicas: number[]): void {
    for (const brokerId of slot.replicas) this.loads.add(brokerId, -1)
    for (const brokerId of replicas) this.loads.add(brokerId)
    slot.replicas = replicas
  }

  /** Hands leadership on until nobody leads two more, in proportion, than a holder of one of his partitions. */
  private shareLeading (): void {
    const leads = new BrokerLoads(this.ring.brokers, this.slots.length)
    const ledBy = new Map<number, Set<Slot>>(this.ids().map(id => [id, new Set()]))
    for (const slot of this.slots) {
      const leader = slot.replicas.find(brokerId => this.brokers.has(brokerId))
      if (leader === undefined) continue
      slot.replicas = leaderFirst(slot.replicas, leader)
      leads.add(leader)
      ledBy.get(leader)!.add(slot)
    }
    // Each change makes the loads more even, so there are fewer than this.
    for (let left = this.slots.length * this.brokers.size; left > 0 && this.handOver(leads, ledBy); left--);
  }

  private handOver (leads: BrokerLoads, ledBy: ReadonlyMap<number, Set<Slot>>): boolean {
    const byLeads = this.ids().sort((a, b) => leads.fullness(b) - leads.fullness(a) || a - b)
    for (const giver of byLeads) {
      let best: Slot | null = null
      let taker = giver
      for (const slot of ledBy.get(giver)!) {
        for (const holder of slot.replicas) {
          if (!this.brokers.has(holder) || leads.fullness(holder) >= leads.fullness(taker)) continue
          best = slot
          taker = holder
        }
      }
      const after = (leads.count(taker) + 1) / (this.brokers.get(taker)!.capacity)
      if (best === null || after >= leads.fullness(giver)) continue
      ledBy.get(giver)!.delete(best)
      ledBy.get(taker)!.add(best)
      leads.add(giver, -1)
      leads.add(taker)
      best.replicas = leaderFirst(best.replicas, taker)
      return true
    }
    return false
  }
}
