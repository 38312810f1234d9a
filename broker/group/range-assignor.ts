// The range assignor: cuts each topic into one run of neighbours per subscriber.
//
//   7 partitions, 3 members:   [0 1 2] [3 4] [5 6]      the first (7 mod 3) members get one more

import { subscribersByTopic, topicBases } from './assignment-layout.js'
import type { AssignmentTask } from './assignor.js'

export function assignInRanges (task: AssignmentTask): Int32Array {
  const bases = topicBases(task.partitionCounts)
  const target = new Int32Array(bases[task.partitionCounts.length]!).fill(-1)
  subscribersByTopic(task).forEach((subscribers, topic) => {
    if (subscribers.length === 0) return
    const count = task.partitionCounts[topic]!
    const size = Math.floor(count / subscribers.length)
    const longer = count % subscribers.length
    let next = bases[topic]!
    subscribers.forEach((member, i) => {
      const end = next + size + (i < longer ? 1 : 0)
      target.fill(member, next, end)
      next = end
    })
  })
  return target
}
