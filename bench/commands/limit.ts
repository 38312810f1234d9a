// `sluice bench limit`.

import { type Command } from 'commander'
import { measureLimit, RECORD_SIZES } from '../limit/measure-limit.js'
import { limitTable } from '../limit/limit-report.js'
import {
  integer, listOf, newCommand, print, settingsOf, withPrewritten, withRun, type PrewrittenOptions, type RunAction,
  type RunOptions,
} from './options.js'

interface LimitOptions extends RunOptions, PrewrittenOptions { sizes: number[] }

export function limitCommand (run: RunAction): Command {
  const command = newCommand('limit', 'What the machine can do: write and fdatasync, loopback TCP, CRC-32C, and all of them together in ' +
    'the bare loop.', [
    'limit', 'limit --folder ./data', 'limit --duration 1s --rounds 5 -o json',
  ])
  return withPrewritten(withRun(command, { rounds: 3, durationMs: 500, warmupMs: 500 }))
    .option('--sizes <bytes>', 'bytes of the values in the bare loop, with commas between', listOf(integer(1, 1 << 20)), [...RECORD_SIZES])
    .action((options: LimitOptions) => run(async () => {
      const result = await measureLimit(settingsOf(options), options.sizes)
      await print(result, limitTable(result), options)
    }))
}
