// Evens out an assignment where members read different topics.
//
// 1. Each partition that nobody has goes to the least loaded of its readers; topics with few readers go first.
// 2. As long as some member has a path to one with at least two partitions less, partitions move along each step of the
//    path:
//
//      a (5) ──topic x──▶ b (4) ──topic y──▶ c (3)        a gives b one of x, b gives c one of y: 4, 4, 4
//
// A member can give to another what it has of a topic that the other reads. The most loaded go first; one without a
// path never gets one later, because moves elsewhere cannot touch anybody within its reach (Harvey et al.,
// "Semi-matchings for bipartite graphs and load balancing"). Without such a path the loads are as even as can be: the
// largest is as small, and the sum of squares as low, as any assignment has it.

import { subscribersByTopic, topicBases } from './assignment-layout.js'
import type { AssignmentTask } from './assignor.js'

/** Completes and evens out `target` in place. */
export function levelLoads (task: AssignmentTask, target: Int32Array): void {
  new LoadLeveller(task, target).run()
}

class LoadLeveller {
  private readonly target: Int32Array
  private readonly bases: Int32Array
  private readonly subscribers: readonly number[][]
  private readonly loads: Int32Array
  private averageLoad = 0
  /** Per member and topic the dense indexes it has; what it was given now stands behind what it had. */
  private readonly held: Map<number, number[]>[]
  /** Per member of the last search: the member before it on the path and the topic between them. */
  private readonly cameFrom: Int32Array
  private readonly cameBy: Int32Array

  constructor (task: AssignmentTask, target: Int32Array) {
    const count = task.members.length
    this.target = target
    this.bases = topicBases(task.partitionCounts)
    this.subscribers = subscribersByTopic(task)
    this.loads = new Int32Array(count)
    this.held = task.members.map(() => new Map())
    this.cameFrom = new Int32Array(count)
    this.cameBy = new Int32Array(count)
  }

  run (): void {
    this.forEachPartition((index, topic) => {
      if (this.target[index]! >= 0) this.give(index, topic, this.target[index]!)
    })
    this.dealTheRest()
    this.averageLoad = Math.floor(this.loads.reduce((sum, load) => sum + load, 0) / this.loads.length)
    const settled = new Uint8Array(this.loads.length)
    for (;;) {
      const source = this.mostLoaded(settled)
      if (source === -1) return
      const sink = this.leastLoadedInReach(source)
      if (this.loads[sink]! <= this.loads[source]! - 2) this.shiftAlongPath(source, sink)
      else settled[source] = 1
    }
  }

  private forEachPartition (visit: (index: number, topic: number) => void): void {
    for (let topic = 0; topic < this.subscribers.length; topic++) {
      for (let index = this.bases[topic]!; index < this.bases[topic + 1]!; index++) visit(index, topic)
    }
  }

  private dealTheRest (): void {
    const topics = Array.from(this.subscribers.keys())
      .filter(topic => this.subscribers[topic]!.length > 0)
      .sort((a, b) => this.subscribers[a]!.length - this.subscribers[b]!.length || a - b)
    for (const topic of topics) {
      const readers = this.subscribers[topic]!
      for (let index = this.bases[topic]!; index < this.bases[topic + 1]!; index++) {
        if (this.target[index]! >= 0) continue
        let least = readers[0]!
        for (const reader of readers) if (this.loads[reader]! < this.loads[least]!) least = reader
        this.give(index, topic, least)
      }
    }
  }

  private give (index: number, topic: number, member: number): void {
    this.target[index] = member
    this.loads[member]!++
    const indexes = this.held[member]!.get(topic)
    if (indexes === undefined) this.held[member]!.set(topic, [index])
    else indexes.push(index)
  }

  private mostLoaded (settled: Uint8Array): number {
    let most = -1
    for (let member = 0; member < this.loads.length; member++) {
      if (settled[member] === 0 && (most === -1 || this.loads[member]! > this.loads[most]!)) most = member
    }
    return most
  }

  /** Searches breadth first, so that the path is as short as can be. */
  private leastLoadedInReach (source: number): number {
    const queue = [source]
    const seenMember = new Uint8Array(this.loads.length)
    const seenTopic = new Uint8Array(this.subscribers.length)
    seenMember[source] = 1
    let least = source
    for (let next = 0; next < queue.length; next++) {
      const member = queue[next]!
      if (this.loads[member]! < this.loads[least]!) least = member
      for (const [topic, indexes] of this.held[member]!) {
        if (indexes.length === 0 || seenTopic[topic] === 1) continue
        seenTopic[topic] = 1
        for (const reader of this.subscribers[topic]!) {
          if (seenMember[reader] === 1) continue
          seenMember[reader] = 1
          this.cameFrom[reader] = member
          this.cameBy[reader] = topic
          queue.push(reader)
        }
      }
    }
    return least
  }

  /** Several at once, as long as that overfills nobody: a search for each would take too long where much is uneven. */
  private shiftAlongPath (source: number, sink: number): void {
    const sinkLoad = this.loads[sink]!
    let count = Math.min((this.loads[source]! - sinkLoad) >> 1, Math.max(1, this.averageLoad - sinkLoad))
    for (let member = sink; member !== source; member = this.cameFrom[member]!) {
      count = Math.min(count, this.held[this.cameFrom[member]!]!.get(this.cameBy[member]!)!.length)
    }
    for (let member = sink; member !== source; member = this.cameFrom[member]!) {
      const giver = this.cameFrom[member]!
      const topic = this.cameBy[member]!
      const indexes = this.held[giver]!.get(topic)!.splice(-count)
      this.loads[giver]! -= count
      for (const index of indexes) this.give(index, topic, member)
    }
  }
}
