// What the assignors share: the places of topics in the dense index, and who reads a topic.

import type { AssignmentTask } from './assignor.js'

/** Dense index of partition 0 of each topic, and behind them the number of all partitions. */
export function topicBases (partitionCounts: readonly number[]): Int32Array {
  const bases = new Int32Array(partitionCounts.length + 1)
  partitionCounts.forEach((count, topic) => { bases[topic + 1] = bases[topic]! + count })
  return bases
}

/** Per topic the indexes of the members that read it, ascending. */
export function subscribersByTopic (task: AssignmentTask): number[][] {
  const subscribers: number[][] = task.partitionCounts.map(() => [])
  task.members.forEach((member, index) => {
    for (const topic of member.topics) subscribers[topic]!.push(index)
  })
  return subscribers
}

/** True where all members read the same topics. */
export function subscriptionsAreEqual (task: AssignmentTask): boolean {
  const first = task.members[0]?.topics ?? []
  return task.members.every(({ topics }) =>
    topics.length === first.length && topics.every((topic, i) => topic === first[i]))
}
