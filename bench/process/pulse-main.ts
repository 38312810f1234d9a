// The process that sends records to every partition while brokers fail.

import { PartitionPulse } from '../failover/partition-pulse.js'
import type { PulseCalls } from '../failover/pulse-calls.js'
import { answerCalls } from './calls.js'

let pulse: PartitionPulse

answerCalls<PulseCalls>({
  async prepare (setup) {
    pulse = new PartitionPulse(setup)
    await pulse.prepare()
    return null
  },
  start () {
    pulse.start()
    return null
  },
  beginRound () {
    pulse.beginRound()
    return null
  },
  noteFault ({ atMs, partitions }) {
    pulse.noteFault(atMs, partitions)
    return null
  },
  standing: ({ partitions }) => pulse.standing(partitions),
  endRound: () => pulse.endRound(),
  async stop () {
    await pulse.stop()
    return null
  },
})

process.on('SIGTERM', () => process.exit(0))
