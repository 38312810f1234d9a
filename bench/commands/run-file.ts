// `sluice bench run FILE`: a workload file in the shape of the OpenMessaging Benchmark.

import { type Command } from 'commander'
import { runWorkload } from '../bench-run.js'
import { readWorkloadFile } from '../files/workload-file.js'
import { findRate } from '../find-rate/find-rate.js'
import { reportTable } from '../report.js'
import { printRate } from './find-rate.js'
import {
  duration, integer, newCommand, positive, print, settingsOf, withOutput, withPlace, type RunAction, type RunOptions,
} from './options.js'

interface RunFileOptions extends Omit<RunOptions, 'warmup' | 'duration'> { p99: number, warmup?: number, duration?: number }

const SEARCH = { startRate: 10_000, maxRate: 2_000_000, precision: 1.1 }

export function runFileCommand (run: RunAction): Command {
  const command = newCommand('run', 'Run a workload file in the shape of the OpenMessaging Benchmark. A producerRate of 0 looks for the ' +
    'highest rate that is sustained; a consumerBacklogSizeGB has a group catch up with that.', [
    'run bench/workloads/1-topic-16-partitions-1kb.yaml', 'run workload.yaml --duration 10s', 'run workload.yaml --p99 20ms -o json',
  ])
  return withPlace(withOutput(command.argument('<file>', 'workload file, flat YAML or JSON')))
    .option('--rounds <count>', 'samples', integer(1, 100), 1)
    .option('--warmup <duration>', 'work before each window, in place of what the file says', duration)
    .option('--duration <duration>', 'length of each window, in place of what the file says', positive)
    .option('--p99 <duration>', 'bound of the 99th percentile where a rate is looked for', positive, 100)
    .action((path: string, options: RunFileOptions) => run(() => runFile(path, options)))
}

async function runFile (path: string, options: RunFileOptions): Promise<number | void> {
  const { title, work, warmupMs, durationMs } = await readWorkloadFile(path)
  const { warmup = warmupMs, duration: window = durationMs } = options
  const settings = settingsOf({ ...options, warmup, duration: window })
  settings.onProgress?.(title)
  if (work.kind === 'find-rate') {
    return printRate(await findRate(work.workload, { ...SEARCH, p99MsMax: options.p99 }, settings), options)
  }
  const result = await runWorkload(work.workload, work.kind === 'backlog' ? { ...settings, warmupMs: 0 } : settings)
  await print(result, reportTable(result), options)
}
