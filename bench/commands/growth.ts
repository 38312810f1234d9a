// `sluice bench growth`: what a record costs as records, partitions, connections, groups or what is in flight grow.

import { type Command } from 'commander'
import { GROWTH_AXIS_NAMES, type GrowthAxisName } from '../growth/growth-axes.js'
import { growthPage, growthTable } from '../growth/growth-report.js'
import { runGrowth } from '../growth/run-growth.js'
import { integer, listOf, newCommand, oneOf, print, settingsOf, withRun, writeText, type RunAction, type RunOptions } from './options.js'

interface GrowthCommandOptions extends RunOptions { axes: GrowthAxisName[], upTo: number, html?: string }

const UP_TO_DEFAULT = 1e9

export function growthCommand (run: RunAction): Command {
  const command = newCommand('growth', 'Processor time of the broker for a record, as records, partitions, connections, groups and what is ' +
    'in flight grow.', ['growth --html growth.html', 'growth --axes partitions,connections', 'growth --up-to 100000 --rounds 1 -o json'])
  return withRun(command, { rounds: 3, durationMs: 1_500, warmupMs: 1_000 })
    .option('--axes <axes>', `of ${GROWTH_AXIS_NAMES.join(', ')}, with commas between`, listOf(oneOf(GROWTH_AXIS_NAMES)), GROWTH_AXIS_NAMES)
    .option('--up-to <level>', 'leave higher levels out', integer(1, UP_TO_DEFAULT), UP_TO_DEFAULT)
    .option('--html <file>', 'write a report with plots')
    .action((options: GrowthCommandOptions) => run(() => measure(options)))
}

async function measure (options: GrowthCommandOptions): Promise<void> {
  const result = await runGrowth(options, settingsOf(options))
  if (options.html !== undefined) await writeText(options.html, growthPage(result))
  await print(result, growthTable(result), options)
}
