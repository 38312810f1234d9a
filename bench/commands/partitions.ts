// `sluice bench partitions`: how the rate and the broker's memory go with the number of partitions.

import { type Command } from 'commander'
import { runSweep } from '../sweep/run-sweep.js'
import { partitionsPage, partitionsTable } from '../sweep/sweep-report.js'
import { PLAIN_PRODUCE } from '../workload.js'
import { integer, listOf, newCommand, print, settingsOf, withRun, writeText, type RunAction, type RunOptions } from './options.js'

interface PartitionsOptions extends RunOptions { size: number, counts: number[], html?: string }

export function partitionsCommand (run: RunAction): Command {
  const command = newCommand('partitions', 'Produce over more and more partitions: records/s, processor time and memory of the broker.', [
    'partitions', 'partitions --html partitions.html', 'partitions --counts 1,64,1000 --size 1024 -o json',
  ])
  return withRun(command, { rounds: 3, durationMs: 2_000, warmupMs: 1_000 })
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--counts <partitions>', 'numbers of partitions, with commas between', listOf(integer(1, 10_000)), [1, 4, 16, 64, 256, 1_000])
    .option('--html <file>', 'write a report with plots')
    .action((options: PartitionsOptions) => run(() => measure(options)))
}

async function measure (options: PartitionsOptions): Promise<void> {
  const base = { ...PLAIN_PRODUCE, size: options.size, partitions: options.counts[0]! }
  const levels = {
    batch: [], lingerMs: [], acks: [], compression: [], inFlightBytes: [], flush: [], partitions: options.counts,
  }
  const result = await runSweep({ base, levels, design: 'each', combine: false }, settingsOf(options))
  if (options.html !== undefined) await writeText(options.html, partitionsPage(result))
  await print(result, partitionsTable(result), options)
}
