// The round-robin assignor: deals all partitions of all topics in turn, passing over members that do not read a topic.

import { topicBases } from './assignment-layout.js'
import type { AssignmentTask } from './assignor.js'

export function assignInTurn (task: AssignmentTask): Int32Array {
  const { members, partitionCounts } = task
  const bases = topicBases(partitionCounts)
  const target = new Int32Array(bases[partitionCounts.length]!).fill(-1)
  const reads = members.map(({ topics }) => new Set(topics))
  let turn = 0
  for (let topic = 0; topic < partitionCounts.length; topic++) {
    if (!reads.some(topics => topics.has(topic))) continue
    for (let index = bases[topic]!; index < bases[topic + 1]!; index++) {
      while (!reads[turn]!.has(topic)) turn = (turn + 1) % members.length
      target[index] = turn
      turn = (turn + 1) % members.length
    }
  }
  return target
}
