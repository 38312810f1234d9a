// `sluice broker`: runs a broker until SIGTERM or SIGINT. All its options come from the broker's own table.

import { OPTIONS, OPTION_NAMES, environmentName, runBrokerProcess, type OptionRow } from '@sluice/broker'
import { Option, type Command } from 'commander'
import { newCommand } from '../command.js'
import type { RunAction } from '../command-module.js'

const LAUNCHER_CHECK_MS = 500

export function command (run: RunAction): Command {
  const broker = newCommand('broker', 'Run a broker. It prints one line when it is ready, and ends with 0 on SIGTERM.', [
    'sluice broker --data ./data',
    'sluice broker --data /var/lib/sluice --listen 0.0.0.0:7400 --log-format json',
    'sluice broker --data ./data --topic-defaults retention.ms=1d,flush=interval --print-config',
  ])
  for (const name of OPTION_NAMES) broker.addOption(brokerOption(name, OPTIONS[name]))
  broker
    .option('--config <file>', 'JSON file of options, for what neither flags nor environment say')
    .option('--print-config', 'print the options in force with their sources and do nothing else')
  return broker.action(() => run(async () => {
    stopWithLauncher()
    const flags: Record<string, string> = {}
    for (const name of OPTION_NAMES) {
      const value = broker.getOptionValue(attributeName(name)) as string | undefined
      if (value !== undefined) flags[name] = value
    }
    const { config, printConfig } = broker.opts<{ config?: string, printConfig?: boolean }>()
    return await runBrokerProcess({ flags, configFile: config, printConfig })
  }))
}

/**
 * `npx sluice broker` runs under npm and a shell. A shell that is told to end does not pass that on, and the broker
 * would go on alone: so it stops when the shell has gone.
 */
function stopWithLauncher (): void {
  if (process.env.npm_command !== 'exec') return
  const launcher = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === launcher) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, LAUNCHER_CHECK_MS)
  timer.unref()
}

/** Values stay texts: the table parses them, so that a mistake reads the same wherever it was made. */
function brokerOption (name: string, row: OptionRow): Option {
  const choices = row.choices === undefined ? '' : ` One of ${row.choices.join(', ')}.`
  const fallback = row.default === '' ? '' : ` Default ${row.default}.`
  return new Option(`--${name} <${row.kind}>`, `${row.doc}${choices}${fallback} [${environmentName(name)}]`)
}

function attributeName (name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
