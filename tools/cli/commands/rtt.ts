// `sluice rtt`: how long a small request takes to a broker and back.

import type { Command } from 'commander'
import { integerOption, newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions } from '../command.js'
import type { RunAction } from '../command-module.js'
import { formatObject } from '../rows.js'
import { withClient } from '../session.js'

interface RttOptions extends BrokerOptions, OutputOptions { count: number }

export function command (run: RunAction): Command {
  const rtt = newCommand('rtt', 'Measure the round trip to a broker: one small request after the other.', [
    'sluice rtt',
    'sluice rtt --brokers 10.0.0.5:7400 -n 1000',
    'sluice rtt -o json',
  ])
  rtt.option('-n, --count <number>', 'requests', integerOption(1, 1_000_000), 100)
  withOutput(withBrokers(rtt))
  return rtt.action(() => run(() => measure(rtt.opts<RttOptions>())))
}

async function measure (options: RttOptions): Promise<void> {
  await withClient(options, async client => {
    await client.ready()
    const times: number[] = []
    for (let index = 0; index < options.count; index++) {
      const startedAtMs = performance.now()
      await client.admin.describeCluster()
      times.push(performance.now() - startedAtMs)
    }
    times.sort((a, b) => a - b)
    const at = (share: number): number =>
      milliseconds(times[Math.min(times.length - 1, Math.floor(share * times.length))]!)
    process.stdout.write(formatObject({
      broker: options.brokers.join(','),
      requests: times.length,
      minMs: milliseconds(times[0]!),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: milliseconds(times.at(-1)!),
    }, options.output))
  })
}

function milliseconds (ms: number): number {
  return Math.round(ms * 1000) / 1000
}
