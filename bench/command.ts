// The command line of the benchmarks: `sluice bench`, and `npm run bench --`.

import { CommanderError, type Command } from 'commander'
import { BenchError } from './bench-error.js'
import { compareCommand } from './commands/compare.js'
import { failoverCommand } from './commands/failover.js'
import { findRateCommand } from './commands/find-rate.js'
import { growthCommand } from './commands/growth.js'
import { limitCommand } from './commands/limit.js'
import { longLogCommand } from './commands/long-log.js'
import { newCommand, type RunAction } from './commands/options.js'
import { partitionsCommand } from './commands/partitions.js'
import { peersCommand } from './commands/peers.js'
import { runFileCommand } from './commands/run-file.js'
import { sweepCommand } from './commands/sweep.js'
import {
  awaitSendCommand, backlogCommand, endToEndCommand, fetchCommand, produceCommand, queueCommand,
} from './commands/workloads.js'

/** The `bench` command with its subcommands, to be run or to be added to another command. */
export function benchCommand (run: RunAction): Command {
  const bench = newCommand('bench', 'Measure a broker and its client on this machine, beside what the machine can do. Brokers are ' +
    'started for it, with data of their own.', [
    'produce --size 100',
    'e2e --rate 1000 --rounds 3',
    'sweep --html sweep.html',
    'compare before.json after.json',
  ])
  const commands = [
    produceCommand, fetchCommand, endToEndCommand, awaitSendCommand, queueCommand, backlogCommand, longLogCommand,
    findRateCommand, failoverCommand, partitionsCommand, growthCommand, sweepCommand, runFileCommand, compareCommand,
    limitCommand, peersCommand,
  ]
  for (const make of commands) bench.addCommand(make(run))
  return bench
}

/** Runs `bench` with the arguments behind it; resolves with the exit code: 0 measured, 1 failed, 2 usage. */
export async function runBench (args: readonly string[]): Promise<number> {
  let exitCode = 0
  const bench = benchCommand(async work => { exitCode = await work() ?? 0 })
  try {
    await bench.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0
      if (error.code === 'commander.help') process.stderr.write('bench: a subcommand is missing: see bench --help\n')
      else process.stderr.write(`bench: ${error.message.replace(/^error: /, '')}\n`)
      return 2
    }
    const known = error instanceof BenchError
    process.stderr.write(`bench: ${known ? error.message : (error as Error).stack ?? String(error)}\n`)
    return known ? error.exitCode : 1
  }
}
