// A cluster as a server of a run, beside the bare loop and a broker by itself.

import { BenchCluster } from './bench-cluster.js'
import { sumOfUsages } from './cluster-usage.js'
import type { RunningServer } from './servers.js'

/** Starts a cluster: an etcd, and brokers whose use of the machine adds up. */
export async function startCluster (
  folder: string, brokers: number, brokerOptions: Readonly<Record<string, string>>, profileDirectory?: string,
): Promise<RunningServer> {
  const profiles = profileDirectory === undefined ? {} : { profileDirectory }
  const cluster = await BenchCluster.start({ folder, brokers, brokerOptions, ...profiles })
  return {
    target: { kind: 'sluice', address: cluster.addresses[0]! },
    beginWindow: () => cluster.beginWindow(),
    endWindow: async () => sumOfUsages(await cluster.endWindow()),
    stop: () => cluster.stop(),
  }
}
