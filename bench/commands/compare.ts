// `sluice bench compare BEFORE AFTER`.

import { type Command } from 'commander'
import { compareResults, type Comparison, type MetricComparison } from '../compare/compare-results.js'
import { readResults } from '../read-results.js'
import { columns, workloadText } from '../report.js'
import { integer, newCommand, print, withOutput, type OutputOptions, type RunAction } from './options.js'

interface CompareCommandOptions extends OutputOptions { tolerance: number, relative: boolean }

export function compareCommand (run: RunAction): Command {
  const command = newCommand('compare', 'Compare two results written with --out, each of three rounds or more. Exit code 1 where ' +
    'something has become worse by more than chance and the tolerance explain.', [
    'compare before.json after.json',
    'compare before.json after.json --tolerance 10',
    'compare before.json after.json --no-relative -o json',
  ])
  withOutput(command.argument('<before>', 'file with the result before').argument('<after>', 'file with the result after'))
    .option('--tolerance <percent>', 'how much worse is tolerated', integer(0, 99), 5)
    .option('--no-relative', 'compare as measured, not divided by the bare loop of the same round')
  return command.action((before: string, after: string, options: CompareCommandOptions) => run(async () => {
    const comparison = compareResults(await readResults(before), await readResults(after), {
      tolerance: options.tolerance / 100, relative: options.relative,
    })
    await print(comparison, comparisonTable(comparison), options)
    return comparison.regressions > 0 ? 1 : 0
  }))
}

export function comparisonTable ({ metrics, tolerance, regressions }: Comparison): string {
  const rows = metrics.map(metric => [
    workloadText(metric.workload), metric.metric, metric.relativeTo ?? '–', metric.ratio.toFixed(3),
    `${metric.low.toFixed(3)}–${metric.high.toFixed(3)}`, verdictText(metric),
  ])
  return [
    ...columns([['workload', 'metric', 'by', 'after/before', '95 % interval', 'verdict'], ...rows]),
    '',
    regressions === 0
      ? `no regression beyond ${Math.round(tolerance * 100)} %`
      : `${regressions} ${regressions === 1 ? 'regression' : 'regressions'} beyond ${Math.round(tolerance * 100)} %`,
  ].join('\n')
}

function verdictText ({ verdict }: MetricComparison): string {
  return verdict === 'regression' ? 'REGRESSION' : verdict
}
