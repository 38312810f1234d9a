// `sluice bench failover`.

import { Option, type Command } from 'commander'
import { failoverTable } from '../failover/failover-report.js'
import { FAULTS, type FailoverPlan, type Fault } from '../failover/failover-result.js'
import { measureFailover, watchFailover } from '../failover/measure-failover.js'
import {
  integer, listOf, newCommand, onProgress, positive, print, withOutput, withPlace, type OutputOptions, type RunAction,
} from './options.js'

interface FailoverOptions extends OutputOptions {
  fault: Fault
  brokers: number
  partitions: number
  replicas?: number
  rate: number
  size: number
  rounds: number
  duration: number
  cluster?: string[]
  folder: string
  brokerOption: Record<string, string>
  profile?: string
}

export function failoverCommand (run: RunAction): Command {
  const command = newCommand('failover', 'How long partitions go without an acknowledged record when the broker that leads them is killed, ' +
    'stopped or frozen. A cluster is started for it; one that is there already is watched only.', [
    'failover', 'failover --fault stop --partitions 100', 'failover --cluster h1:7400,h2:7400 --duration 60s -o json',
  ])
  return withOutput(withPlace(command))
    .addOption(new Option('--fault <fault>', 'what happens to the broker that leads most: SIGKILL, SIGTERM or SIGSTOP').choices(FAULTS).default('kill'))
    .option('--brokers <count>', 'brokers to start', integer(2, 9), 3)
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 6)
    .option('--replicas <count>', 'replicas of each partition (default: that of the cluster)', integer(1, 9))
    .option('--rate <records>', 'records a second over all partitions', integer(1, 1_000_000), 1_000)
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--rounds <count>', 'how often a broker fails, or the cluster is watched', integer(1, 1_000), 5)
    .option('--cluster <addresses>', 'brokers of a cluster that is there, as HOST:PORT with commas between; a topic is made in it and ' +
      'deleted at the end', listOf(text => text))
    .addOption(new Option('--duration <duration>', 'length of a round in which a cluster is watched').argParser(positive).default(30_000, '30s'))
    .option('--profile <folder>', 'write processor profiles of the brokers there')
    .action((options: FailoverOptions) => run(() => measure(options)))
}

async function measure (options: FailoverOptions): Promise<number> {
  const { fault, partitions, rate, size, rounds, folder, brokers, profile, cluster } = options
  const { brokerOption: brokerOptions } = options
  const plan: FailoverPlan = {
    fault: cluster === undefined ? fault : 'none', partitions, replicas: options.replicas ?? null, rate, size, rounds,
  }
  const profiles = profile === undefined ? {} : { profileDirectory: profile }
  const result = cluster === undefined
    ? await measureFailover(plan, { folder, brokers, brokerOptions, ...profiles, onProgress })
    : await watchFailover(plan, cluster, options.duration, onProgress)
  await print(result, failoverTable(result), options)
  return result.failedRecords === 0 ? 0 : 1
}
