// `sluice bench long-log`.

import type { Command } from 'commander'
import { BenchError } from '../bench-error.js'
import { longLogTable } from '../long-log/long-log-report.js'
import { measureLongLog } from '../long-log/measure-long-log.js'
import { integer, newCommand, onProgress, print, withOutput, withPlace, type OutputOptions, type RunAction } from './options.js'

interface LongLogOptions extends OutputOptions {
  records: number
  size: number
  read: number
  rounds: number
  folder: string
  brokerOption: Record<string, string>
}

export function longLogCommand (run: RunAction): Command {
  const command = newCommand('long-log', 'What a long log costs beside a short one: reading its start, middle and end, the lag of a group, ' +
    'memory, and how soon the broker is back after SIGTERM and SIGKILL.', [
    'long-log', 'long-log --records 100000000', 'long-log --size 1024 --records 10000000 --read 200000 -o json',
  ])
  return withOutput(withPlace(command))
    .option('--records <count>', 'records of the log; each takes its size and 10 bytes of disk or so', integer(1, 1e12), 10_000_000)
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--read <records>', 'records of each reading, and of the short log', integer(1, 1e9), 2_000_000)
    .option('--rounds <count>', 'readings of each place, in turns', integer(1, 100), 3)
    .action((options: LongLogOptions) => run(() => measure(options)))
}

async function measure (options: LongLogOptions): Promise<void> {
  const { records, size, read: readRecords, rounds, folder, brokerOption: brokerOptions } = options
  if (readRecords > records) throw new BenchError(2, `--read ${readRecords} is above --records ${records}: read what there is, at most`)
  const result = await measureLongLog({ records, size, readRecords, rounds }, { folder, brokerOptions, onProgress })
  await print(result, longLogTable(result), options)
}
