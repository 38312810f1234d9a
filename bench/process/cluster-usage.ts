// What the brokers of a cluster use, as one server: processor time and memory add up, delays are those of the worst.

import type { ProcessUsage } from '../measure/process-probe.js'
import type { BrokerUsage } from './calls.js'

/** All brokers together, and each by itself: the one that sends most to the others first, which is the leader. */
export interface ClusterUsage extends ProcessUsage {
  brokers: BrokerUsage[]
}

export function sumOfUsages (usages: readonly BrokerUsage[]): ClusterUsage {
  const sum = (value: (usage: BrokerUsage) => number): number =>
    usages.reduce((total, usage) => total + value(usage), 0)
  const most = (value: (usage: BrokerUsage) => number): number => Math.max(...usages.map(value))
  return {
    cpuSeconds: sum(usage => usage.cpuSeconds),
    userSeconds: sum(usage => usage.userSeconds),
    systemSeconds: sum(usage => usage.systemSeconds),
    rssBytesMax: sum(usage => usage.rssBytesMax),
    gcSeconds: sum(usage => usage.gcSeconds),
    gcCount: sum(usage => usage.gcCount),
    gcMajorCount: sum(usage => usage.gcMajorCount),
    eventLoopDelayP50Us: most(usage => usage.eventLoopDelayP50Us),
    eventLoopDelayP99Us: most(usage => usage.eventLoopDelayP99Us),
    eventLoopDelayMaxUs: most(usage => usage.eventLoopDelayMaxUs),
    brokers: [...usages].sort((a, b) => b.peerSentBytes - a.peerSentBytes),
  }
}
