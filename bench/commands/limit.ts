// `sluice bench limit`.

import { type Command } from 'commander'
import { measureLimit } from '../limit/measure-limit.js'
import { limitTable } from '../limit/limit-report.js'
import { newCommand, print, settingsOf, withRun, type RunAction, type RunOptions } from './options.js'

export function limitCommand (run: RunAction): Command {
  const command = newCommand('limit', 'What the machine can do: write and fdatasync, loopback TCP, CRC-32C, and all of them together in ' +
    'the bare loop.', [
    'limit', 'limit --folder ./data', 'limit --duration 1s --rounds 5 -o json',
  ])
  return withRun(command, { rounds: 3, durationMs: 500, warmupMs: 500 })
    .action((options: RunOptions) => run(async () => {
      const result = await measureLimit(settingsOf(options))
      await print(result, limitTable(result), options)
    }))
}
