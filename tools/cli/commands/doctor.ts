// `sluice doctor`: checks what a broker needs from its machine, and the broker itself where one answers.
//
// Exit code 0 where all is well, 6 with warnings, 1 where something will not work.

import { parseAddress } from '@sluice/broker'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions } from '../command.js'
import { checkBroker, checkMachine, type DoctorFinding, type DoctorScope } from '../doctor-checks.js'
import { EXIT } from '../exit-code.js'
import type { RunAction } from '../command-module.js'
import { formatRows } from '../rows.js'

interface DoctorOptions extends BrokerOptions, OutputOptions {
  data: string
  listen?: { host: string, port: number }
  broker: boolean
}

export function command (run: RunAction): Command {
  const doctor = newCommand('doctor', 'Check machine, data folder, port and broker. Exit code 6 with warnings, 1 with failures.', [
    'sluice doctor',
    'sluice doctor --data /var/lib/sluice --listen 0.0.0.0:7400 --no-broker',
    'sluice doctor -o json',
  ])
  doctor
    .option('--data <folder>', 'folder whose disk is looked at', '.')
    .option('--listen <address>', 'address and port that a broker is meant to take, HOST:PORT', parseListen)
    .option('--no-broker', 'do not look for a running broker')
  withOutput(withBrokers(doctor))
  return doctor.action(() => run(async () => {
    const options = doctor.opts<DoctorOptions>()
    const scope: DoctorScope = { folder: options.data, listen: options.listen ?? null }
    const findings = await checkMachine(scope)
    if (options.broker) findings.push(...await checkBroker(options))
    process.stdout.write(formatRows(findings.map(finding => ({ ...finding })), options.output, {
      columns: ['check', 'status', 'found', 'advice'],
    }))
    return exitCodeOf(findings)
  }))
}

function exitCodeOf (findings: readonly DoctorFinding[]): number {
  if (findings.some(finding => finding.status === 'fail')) return EXIT.failed
  return findings.some(finding => finding.status === 'warn') ? EXIT.degraded : EXIT.ok
}

function parseListen (text: string): { host: string, port: number } {
  const address = parseAddress(text)
  if (address === undefined) throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:7400.')
  return address
}
