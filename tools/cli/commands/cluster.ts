// `sluice cluster`: run one on this machine, look at one, and change who holds what.

import type { ClusterStatus, PlacementAction, PlacementChange, ReplicaMove } from '@sluice/client'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  integerOption, newCommand, withBrokers, withConfirmation, withOutput, type BrokerOptions, type OutputOptions,
} from '../command.js'
import type { RunAction } from '../command-module.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT } from '../exit-code.js'
import { countOf, note } from '../messages.js'
import { formatTime } from '../quantities.js'
import { formatObject, formatRows, type Row } from '../rows.js'
import { withClient } from '../session.js'
import { startLocalCluster, type StartOptions } from '../cluster/start.js'

const EXAMPLES = [
  'sluice cluster start --brokers 3',
  'sluice cluster status',
  'sluice cluster drain 2 --dry-run',
]

export function command (run: RunAction): Command {
  return newCommand('cluster', 'Run a cluster on this machine, look at one, and change who holds what.', EXAMPLES)
    .addCommand(start(run)).addCommand(status(run)).addCommand(ring(run))
    .addCommand(change(run, 'rebalance')).addCommand(change(run, 'leaders'))
    .addCommand(change(run, 'drain')).addCommand(change(run, 'undrain')).addCommand(change(run, 'cancel'))
    .addCommand(move(run)).addCommand(forceRecover(run))
}

function start (run: RunAction): Command {
  const command = newCommand('start', 'Run an etcd and some brokers on this machine, for trying things out. Ctrl-C stops all.', [
    'sluice cluster start',
    'sluice cluster start --brokers 5 --port 7400',
    'sluice cluster start --brokers 3 --data ./cluster    # keeps its data',
  ])
  command
    .option('--brokers <number>', 'how many brokers', integerOption(1, 32), 3)
    .option('--port <number>', 'port of the first broker; the others follow', integerOption(1, 65_000), 7400)
    .option('--data <folder>', 'folder that keeps the data (default: one that is removed at the end)')
  return command.action((options: StartOptions) => run(() => startLocalCluster(options)))
}

function status (run: RunAction): Command {
  const command = newCommand('status', 'Show brokers, what they hold, moves under way, what does not come back, and what was lost. Exit code 6 where something is amiss.', [
    'sluice cluster status', 'sluice cluster status -o json', "sluice cluster status -o json | jq '.brokers[].state'",
  ])
  withOutput(withBrokers(command))
  return command.action((options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      const status = await client.admin.clusterStatus({ timeoutMs: options.timeout })
      process.stdout.write(formatStatus(status, options.output))
      return isWell(status) ? EXIT.ok : EXIT.degraded
    })))
}

function isWell ({ brokers, leaderless, underReplicated, controllerId, troubles }: ClusterStatus): boolean {
  return leaderless === 0 && underReplicated === 0 && troubles.length === 0 && controllerId >= 0 &&
    brokers.every(({ state }) => state === 'online')
}

/** One object for `json`; a row per broker for `jsonl` and `csv`; all of it for people. */
function formatStatus (status: ClusterStatus, format: OutputOptions['output']): string {
  if (format === 'json') return `${JSON.stringify(status, null, 2)}\n`
  const { clusterId, controllerId, topics, partitions, leaderless, underReplicated, moves, troubles, losses } = status
  const rows = status.brokers.map(({ brokerId, host, port, state, ringSharePermille: _, ...rest }): Row =>
    ({ brokerId, state, address: host === '' ? '' : `${host}:${port}`, ...rest }))
  if (format !== 'table') return formatRows(rows, format)
  const head = formatObject({
    cluster: clusterId, controller: controllerId, topics, partitions, leaderless, underReplicated,
  }, 'table')
  const brokers = formatRows(rows, 'table', { hidden: ['startedAt'] })
  const rowsOf = (title: string, rows: readonly object[]): string =>
    rows.length === 0 ? '' : `\n${title}\n${formatRows(rows.map((row): Row => ({ ...row })), 'table')}`
  return `${head}\n${brokers}${rowsOf('moves', moves)}${rowsOf('troubles', troubles)}` +
    rowsOf('losses: acknowledged records from an offset on were given up', losses.map(loss => ({ ...loss, at: formatTime(loss.at) })))
}

function ring (run: RunAction): Command {
  const command = newCommand('ring', 'Show the shares of the hash ring that places new replicas, beside what brokers hold.', [
    'sluice cluster ring', 'sluice cluster ring -o json', 'sluice cluster ring -o csv',
  ])
  withOutput(withBrokers(command))
  return command.action((options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      const { brokers } = await client.admin.clusterStatus({ timeoutMs: options.timeout })
      const replicas = Math.max(1, brokers.reduce((sum, broker) => sum + broker.replicas, 0))
      const rows = brokers.map(({ brokerId, rack, capacity, draining, replicas: held, ringSharePermille }): Row => ({
        brokerId,
        rack,
        capacity,
        draining,
        ringSharePercent: ringSharePermille / 10,
        replicas: held,
        replicaSharePercent: Math.round(1000 * held / replicas) / 10,
      }))
      const columns = ['brokerId', 'rack', 'capacity', 'draining', 'ringSharePercent', 'replicas', 'replicaSharePercent']
      process.stdout.write(formatRows(rows, options.output, { columns }))
    })))
}

const CHANGES: Readonly<Record<PlacementAction, { summary: string, examples: readonly string[], question: string }>> = {
  rebalance: {
    summary: 'Even out replicas and leaders: as few replicas are copied as possible.',
    examples: ['sluice cluster rebalance --dry-run', 'sluice cluster rebalance --yes', 'sluice cluster rebalance --yes -o json'],
    question: 'Move these?',
  },
  leaders: {
    summary: 'Even out who leads; nothing is copied.',
    examples: ['sluice cluster leaders --dry-run', 'sluice cluster leaders --yes', 'sluice cluster leaders --yes -o json'],
    question: 'Change these leaders?',
  },
  drain: {
    summary: 'Empty a broker: what it holds goes to others, and it takes nothing new. It serves until then.',
    examples: ['sluice cluster drain 2 --dry-run', 'sluice cluster drain 2 --yes', 'sluice cluster drain 2 --yes && sluice cluster status'],
    question: 'Move these?',
  },
  undrain: {
    summary: 'Let a broker take replicas again.',
    examples: ['sluice cluster undrain 2 --yes', 'sluice cluster undrain 2 --dry-run', 'sluice cluster undrain 2 --yes && sluice cluster rebalance'],
    question: 'Let it take replicas again?',
  },
  cancel: {
    summary: 'Call off all moves that are not done. What was copied for them is removed.',
    examples: ['sluice cluster cancel --dry-run', 'sluice cluster cancel --yes', 'sluice cluster cancel --yes -o json'],
    question: 'Call these off?',
  },
}

function change (run: RunAction, action: PlacementAction): Command {
  const { summary, examples, question } = CHANGES[action]
  const command = newCommand(action, summary, examples)
  const takesBroker = action === 'drain' || action === 'undrain'
  if (takesBroker) command.argument('<broker>', 'id of the broker', integerOption(0))
  withOutput(withConfirmation(withBrokers(command)))
  type Options = BrokerOptions & OutputOptions & ConfirmationOptions
  const act = (broker: number, options: Options): Promise<void> => run(() =>
    withClient(options, async client => {
      const request = { broker, timeoutMs: options.timeout }
      if (options.dryRun !== true && options.yes !== true) {
        const plan = await client.admin.changePlacement(action, { ...request, dryRun: true })
        process.stderr.write(describeChange(plan))
        await confirm(question, options)
      }
      const done = await client.admin.changePlacement(action, { ...request, dryRun: options.dryRun === true })
      process.stdout.write(options.output === 'json' ? `${JSON.stringify(done, null, 2)}\n` : formatMoves(done.moves, options.output))
      note(`${summaryOf(done)}${options.dryRun === true ? '; nothing was done' : ''}`)
    }))
  return takesBroker
    ? command.action((broker: number, options: Options) => act(broker, options))
    : command.action((options: Options) => act(-1, options))
}

function describeChange (plan: PlacementChange): string {
  return `${formatMoves(plan.moves, 'table')}${summaryOf(plan)}\n`
}

function summaryOf ({ moves, copies, copiesLeast, leaderChanges }: PlacementChange): string {
  if (moves.length === 0) return 'nothing to move'
  return `${countOf(moves.length, 'partition')}: ${copies} replicas to copy, of which no plan could do with less than ` +
    `${copiesLeast}, and ${countOf(leaderChanges, 'change')} of leader only`
}

function formatMoves (moves: readonly (ReplicaMove & { topic: string })[], format: OutputOptions['output']): string {
  return formatRows(moves.map((move): Row => ({ ...move })), format, { columns: ['topic', 'partition', 'from', 'to'] })
}

function move (run: RunAction): Command {
  const command = newCommand('move', 'Say which brokers are to hold a partition; the first is to lead. It serves all the while.', [
    'sluice cluster move orders 3 --to 4,1,2 --dry-run',
    'sluice cluster move orders 3 --to 4,1,2 --yes',
    'sluice cluster move orders 3 --to 4,1,2 --yes && sluice cluster status',
  ])
  command.argument('<topic>', 'name of the topic').argument('<partition>', 'number of the partition', integerOption(0))
    .requiredOption('--to <ids>', 'as many brokers as the topic has replicas, with commas between')
  withOutput(withConfirmation(withBrokers(command)))
  interface Options extends BrokerOptions, OutputOptions, ConfirmationOptions { to: string }
  return command.action((topic: string, partition: number, options: Options) => run(() =>
    withClient(options, async client => {
      const replicas = brokerIds('--to', options.to)
      const { timeout: timeoutMs } = options
      const { from, to } = await client.admin.moveReplicas(topic, partition, replicas, { dryRun: true, timeoutMs })
      const what = `${topic}/${partition}, held by ${from.join(', ')}, goes to ${to.join(', ')}`
      if (options.dryRun === true) return note(`${what}; nothing was done`)
      await confirm(`${what}. Move it?`, options)
      const moved = await client.admin.moveReplicas(topic, partition, replicas, { timeoutMs })
      process.stdout.write(formatMoves([{ topic, ...moved }], options.output))
    })))
}

function brokerIds (option: string, text: string): number[] {
  const ids = text.split(',').map(id => /^\s*\d+\s*$/.test(id) ? Number(id) : -1)
  if (ids.every(id => id >= 0)) return ids
  throw new CliError(EXIT.usage, `${option} is ${text}; it must be broker ids with commas between, such as 1,4`)
}

function forceRecover (run: RunAction): Command {
  const command = newCommand('force-recover',
    'Let a partition go on without a majority of its replicas, which is gone for ever. Acknowledged records may be lost.', [
      'sluice cluster force-recover orders 3 --survivors 1 --dry-run',
      'sluice cluster force-recover orders 3 --survivors 1 --yes',
      'sluice cluster force-recover orders 3 --survivors 1,4 --yes -o json',
    ])
  command.argument('<topic>', 'name of the topic').argument('<partition>', 'number of the partition', integerOption(0))
    .requiredOption('--survivors <ids>', 'brokers whose replicas go on, with commas between')
  withOutput(withConfirmation(withBrokers(command)))
  interface Options extends BrokerOptions, OutputOptions, ConfirmationOptions { survivors: string }
  return command.action((topic: string, partition: number, options: Options) => run(() =>
    withClient(options, async client => {
      const survivors = brokerIds('--survivors', options.survivors)
      const { timeout: timeoutMs } = options
      const plan = await client.admin.forceRecover(topic, partition, survivors, { dryRun: true, timeoutMs })
      const what = `${topic}/${partition} goes on with brokers ${survivors.join(', ')} alone, led by ${plan.leader}; ` +
        `what only ${plan.givenUp.length === 0 ? 'others' : `brokers ${plan.givenUp.join(', ')}`} had is lost`
      if (options.dryRun === true) return note(`${what}; nothing was done`)
      await confirm(`${what}. Go on?`, options)
      const done = await client.admin.forceRecover(topic, partition, survivors, { timeoutMs })
      process.stdout.write(formatObject({ topic, partition, ...done }, options.output))
    })))
}
