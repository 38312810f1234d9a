// The sticky assignor, also behind `cooperative`: as even as the subscriptions allow, moving as little as that allows.
//
// Where all members read the same topics, which is nearly always, each has a quota of floor(P/n) or ceil(P/n)
// partitions. Those who had most get the larger quotas, each keeps up to its quota of what it had, and the rest is
// dealt to those with room. What cannot stay in place is then exactly what has to move.
//
// Where subscriptions differ, see level-loads.ts.

import { subscribersByTopic, subscriptionsAreEqual, topicBases } from './assignment-layout.js'
import type { AssignmentTask } from './assignor.js'
import { levelLoads } from './level-loads.js'

export function assignSticky (task: AssignmentTask): Int32Array {
  const target = keepPrevious(task)
  if (task.members.length === 0) return target
  if (subscriptionsAreEqual(task)) fillQuotas(task, target)
  else levelLoads(task, target)
  return target
}

/** Every partition stays with the member that had it, where that still reads the topic. */
function keepPrevious (task: AssignmentTask): Int32Array {
  const bases = topicBases(task.partitionCounts)
  const target = new Int32Array(bases[task.partitionCounts.length]!).fill(-1)
  subscribersByTopic(task).forEach((subscribers, topic) => {
    const reads = new Uint8Array(task.members.length)
    for (const member of subscribers) reads[member] = 1
    for (let index = bases[topic]!; index < bases[topic + 1]!; index++) {
      const member = task.previous[index]!
      if (member >= 0 && reads[member] === 1) target[index] = member
    }
  })
  return target
}

function fillQuotas ({ members, partitionCounts }: AssignmentTask, target: Int32Array): void {
  const bases = topicBases(partitionCounts)
  const topics = members[0]!.topics
  const held = new Int32Array(members.length)
  for (const member of target) if (member >= 0) held[member]!++

  const quotas = quotasOf(held, topics.reduce((sum, topic) => sum + partitionCounts[topic]!, 0))
  giveUpSurplus(target, held, quotas)

  const room = quotas.map((quota, member) => quota - Math.min(quota, held[member]!))
  let turn = 0
  for (const topic of topics) {
    for (let index = bases[topic]!; index < bases[topic + 1]!; index++) {
      if (target[index] !== -1) continue
      while (room[turn] === 0) turn = (turn + 1) % members.length
      target[index] = turn
      room[turn]!--
      turn = (turn + 1) % members.length
    }
  }
}

/** How many partitions each member is to have: the larger share goes to those who hold most, so that least moves. */
function quotasOf (held: Int32Array, partitions: number): Int32Array {
  const quotas = new Int32Array(held.length).fill(Math.floor(partitions / held.length))
  const larger = partitions % held.length
  const byHeld = Array.from(held.keys()).sort((a, b) => held[b]! - held[a]! || a - b)
  for (let i = 0; i < larger; i++) quotas[byHeld[i]!]!++
  return quotas
}

/**
 * Takes from each member what it has above its quota, spread evenly over all it holds, so that a member that joins
 * gets some of each topic and not all of the last one.
 */
function giveUpSurplus (target: Int32Array, held: Int32Array, quotas: Int32Array): void {
  const passed = new Int32Array(held.length)
  for (let index = 0; index < target.length; index++) {
    const member = target[index]!
    if (member < 0) continue
    const count = held[member]!
    const quota = quotas[member]!
    if (count <= quota) continue
    const before = Math.floor(passed[member]! * quota / count)
    const after = Math.floor(++passed[member]! * quota / count)
    if (after === before) target[index] = -1
  }
}
