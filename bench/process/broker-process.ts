// Starts a broker as a process of its own.

import { BenchError } from '../bench-error.js'
import type { BrokerUsage, ServerCalls } from './calls.js'
import { Child, type ChildOptions } from './child.js'
import { THREADS } from './threads.js'

/** Starts a broker with these options; resolves when it serves. */
export async function startBrokerProcess (
  options: Readonly<Record<string, string>>, childOptions: ChildOptions,
): Promise<{ child: Child<ServerCalls<BrokerUsage>>, address: string }> {
  const argument = JSON.stringify(options)
  const child = new Child<ServerCalls<BrokerUsage>>('broker-main.js', [argument], { ...childOptions, threads: THREADS })
  const line = await child.firstLine()
  const address = / ready on (\S+?),? /.exec(`${line} `)?.[1]
  if (address === undefined) throw new BenchError(1, `the broker said ${JSON.stringify(line)} where its ready line was due`)
  return { child, address }
}
