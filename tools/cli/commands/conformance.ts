// `sluice conformance HOST:PORT`: holds scripted dialogues with a server and compares its answers with PROTOCOL.md.

import { parseAddress } from '@sluice/broker'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { runConformance, type DialogueResult } from '../../conformance/run-conformance.js'
import { DEFAULT_BROKERS, durationOption, newCommand, withOutput, type OutputOptions } from '../command.js'
import { EXIT } from '../exit-code.js'
import type { RunAction } from '../command-module.js'
import { ProgressLine } from '../progress-line.js'
import { formatRows } from '../rows.js'

interface ConformanceOptions extends OutputOptions { only?: string, timeout: number }

export function command (run: RunAction): Command {
  const conformance = newCommand('conformance', 'Check that a broker speaks the protocol as PROTOCOL.md has it. It creates topics and ' +
    'groups of its own and removes them. Exit code 1 where something deviates.', [
    'sluice conformance 127.0.0.1:7400',
    'sluice conformance 127.0.0.1:7400 --only fetch',
    'sluice conformance 10.0.0.5:7400 -o json',
  ])
  conformance.argument('[address]', 'HOST:PORT of the broker', parseTarget, parseTarget(DEFAULT_BROKERS))
    .option('--only <text>', 'only checks whose name contains this')
    .addOption(new Option('--timeout <duration>', 'how long an answer may take').default(10_000, '10s').argParser(durationOption))
  withOutput(conformance)
  return conformance.action((target: { host: string, port: number }, options: ConformanceOptions) => run(async () => {
    const progress = new ProgressLine()
    const { passed, failed, results } = await runConformance({
      ...target,
      only: options.only,
      timeoutMs: options.timeout,
      report: ({ name }) => progress.update(() => name),
    })
    progress.clear()
    process.stdout.write(formatRows(results.map(rowOf), options.output, { columns: ['check', 'status', 'durationMs', 'detail'] }))
    process.stderr.write(`${passed} passed, ${failed} failed\n`)
    return failed === 0 && passed > 0 ? EXIT.ok : EXIT.failed
  }))
}

function rowOf ({ name, passed, durationMs, text }: DialogueResult): Record<string, string | number> {
  return { check: name, status: passed ? 'passed' : 'failed', durationMs: Math.round(durationMs), detail: text }
}

function parseTarget (text: string): { host: string, port: number } {
  const address = parseAddress(text)
  if (address === undefined || address.port === 0) throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:7400.')
  return address
}
