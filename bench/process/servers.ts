// The servers that a run compares, each started anew for each of its turns, with its files in a folder of its own.

import { join } from 'node:path'
import { connect } from '@sluice/client'
import type { BareForm } from '../bare-loop/commit-loop.js'
import { writeBacklog } from '../bare-loop/backlog.js'
import type { Target } from '../load/make-load.js'
import type { ProcessUsage } from '../measure/process-probe.js'
import type { Workload } from '../workload.js'
import { startBrokerProcess } from './broker-process.js'
import type { ServerCalls } from './calls.js'
import { Child, type ChildOptions } from './child.js'
import { THREADS } from './threads.js'

/** Bytes that the pre-written form of the bare loop writes ahead, unless told otherwise. */
export const PREWRITTEN_BYTES = 256 * 1024 * 1024

/** A server that runs. `Usage` is what can be told of the processor time and memory that it takes. */
export interface RunningServer<Usage = ProcessUsage> {
  readonly target: Target
  beginWindow (): Promise<void>
  endWindow (): Promise<Usage>
  /** Ends it and waits for its end. */
  stop (): Promise<void>
}

/** What a broker says of itself. */
export interface BrokerFacts { version: string, options: Record<string, string> }

/** Starts a broker with an empty data folder. */
export async function startBroker (
  directory: string, options: Readonly<Record<string, string>>, childOptions: ChildOptions,
): Promise<RunningServer> {
  const { child, address } = await startBrokerProcess(
    { 'log-level': 'warn', ...options, data: join(directory, 'data'), listen: '127.0.0.1:0' }, childOptions)
  return running(child, { kind: 'sluice', address })
}

/** Version and options of a running broker. */
export async function askBroker (address: string): Promise<BrokerFacts> {
  await using client = connect({ brokers: [address], clientId: 'sluice-bench' })
  const { version, config } = await client.admin.describeBroker()
  return { version, options: Object.fromEntries(config.map(({ name, value }) => [name, value])) }
}

/** Starts the bare loop. */
export async function startBareServer (
  directory: string, form: BareForm, workload: Workload, prewrittenBytes: number,
): Promise<RunningServer> {
  const backlog = backlogOf(workload)
  const backlogPath = backlog === null ? null : join(directory, 'backlog')
  const backlogBytes = backlog === null ? 0 : await writeBacklog(backlogPath!, backlog)
  const argument = JSON.stringify({ path: join(directory, 'log'), form, backlogPath, prewrittenBytes })
  const child = new Child<ServerCalls>('bare-server-main.js', [argument], { threads: THREADS })
  const ports = JSON.parse(await child.firstLine()) as { produce: number, tail: number, fetch: number }
  return running(child, { kind: 'bare', ports, backlogBytes })
}

function running (child: Child<ServerCalls>, target: Target): RunningServer {
  return {
    target,
    beginWindow: async () => { await child.call('begin', null) },
    endWindow: () => child.call('end', null),
    stop: () => child.stop(),
  }
}

function backlogOf (workload: Workload): { backlog: number, batch: number, size: number } | null {
  if (workload.name === 'fetch') return workload
  if (workload.name !== 'queue' || workload.rate !== null) return null
  // Whole batches only, so that all are alike in size.
  const { size, receiveRecords: batch } = workload
  return { size, batch, backlog: Math.ceil(workload.backlog / batch) * batch }
}
