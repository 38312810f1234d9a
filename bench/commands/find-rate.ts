// `sluice bench find-rate`.

import { InvalidArgumentError, Option, type Command } from 'commander'
import { findRate, type RateResult } from '../find-rate/find-rate.js'
import { columns, count, workloadText } from '../report.js'
import { FLUSHES, KEY_DISTRIBUTIONS, type FlushChoice, type KeyDistribution, type Workload } from '../workload.js'
import {
  integer, newCommand, positive, print, settingsOf, withRun, type OutputOptions, type RunAction, type RunOptions,
} from './options.js'

interface FindRateOptions extends RunOptions {
  size: number
  topics: number
  partitions: number
  producers: number
  groups: number
  consumers: number
  keys: KeyDistribution
  flush: FlushChoice
  p99: number
  start: number
  max: number
  precision: number
}

export function findRateCommand (run: RunAction): Command {
  const command = newCommand('find-rate', 'The highest rate that is sustained: records arrive at every group as fast as they are sent, with ' +
    'the 99th percentile of latency (from the intended moment of sending) within a bound.', [
    'find-rate', 'find-rate --size 100 --keys random', 'find-rate --p99 20ms --partitions 8 --groups 2 -o json',
  ])
  return withRun(command, { rounds: 1, durationMs: 3_000, warmupMs: 1_500 })
    .option('--size <bytes>', 'bytes of a value', integer(16, 1 << 20), 1024)
    .option('--topics <count>', 'topics', integer(1, 1_000), 1)
    .option('--partitions <count>', 'partitions of each topic', integer(1, 10_000), 1)
    .option('--producers <count>', 'producers of each topic', integer(1, 1_000), 1)
    .option('--groups <count>', 'groups that read each topic', integer(1, 100), 1)
    .option('--consumers <count>', 'consumers of each group', integer(1, 1_000), 1)
    .addOption(new Option('--keys <distribution>', 'keys of the records').choices(KEY_DISTRIBUTIONS).default('none'))
    .addOption(new Option('--flush <policy>', 'when the broker syncs').choices(FLUSHES).default('sync'))
    .addOption(new Option('--p99 <duration>', 'bound of the 99th percentile').argParser(positive).default(100, '100ms'))
    .option('--start <records>', 'records a second to begin with', integer(1, 1e7), 10_000)
    .option('--max <records>', 'records a second beyond which nothing is tried', integer(1, 1e7), 2_000_000)
    .option('--precision <percent>', 'how exact the answer is', percent, 10)
    .action((options: FindRateOptions) => run(async () => {
      const result = await findRate({
        name: 'messaging',
        topics: options.topics,
        partitionsPerTopic: options.partitions,
        size: options.size,
        keys: options.keys,
        producersPerTopic: options.producers,
        subscriptionsPerTopic: options.groups,
        consumersPerSubscription: options.consumers,
        flush: options.flush,
      }, {
        startRate: options.start, maxRate: options.max, precision: 1 + options.precision / 100, p99MsMax: options.p99,
      }, settingsOf(options))
      return printRate(result, options)
    }))
}

/** Prints what was found; resolves with the exit code: 1 where no rate was sustained. */
export async function printRate (result: RateResult, options: OutputOptions): Promise<number> {
  const rows = result.trials.map(({ rate, sustained, missed, result: { summaries: [summary] } }) => [
    count(rate), count(summary!.recordsPerSecond.median),
    (summary!.intendedLatency!.p50Us / 1000).toFixed(2), (summary!.intendedLatency!.p99Us / 1000).toFixed(2),
    summary!.clientCores.median.toFixed(2), summary!.serverCores.median.toFixed(2), sustained ? 'yes' : missed,
  ])
  const found = result.rate === null
    ? `no rate was sustained with a p99 of at most ${result.p99MsMax} ms`
    : `sustained: ${count(result.rate)} records/s, ${(result.rate * result.workload.size / 2 ** 20).toFixed(1)} MiB/s, p99 at most ${result.p99MsMax} ms`
  await print(result, [
    workloadText(result.workload as Workload),
    '',
    ...columns([['records/s', 'arrived/s', 'p50 ms', 'p99 ms', 'client cores', 'broker cores', 'sustained'], ...rows]),
    '',
    found,
  ].join('\n'), options)
  return result.rate === null ? 1 : 0
}

function percent (text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value >= 1 && value <= 100) return value
  throw new InvalidArgumentError('It must be a number from 1 to 100.')
}
