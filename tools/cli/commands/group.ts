// `sluice group`: list, describe, lag, reset, delete.

import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  newCommand, withBrokers, withConfirmation, withOutput, type BrokerOptions, type OutputOptions,
} from '../command.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT } from '../exit-code.js'
import type { RunAction } from '../command-module.js'
import { note } from '../messages.js'
import { checkGroupName, checkTopicName } from '../names.js'
import { formatRows, type Row } from '../rows.js'
import { withClient } from '../session.js'
import { parseStartPosition, type StartPosition } from '../start-position.js'

const EXAMPLES = [
  'sluice group list',
  'sluice group lag billing -o json',
  'sluice group reset billing --topic orders --to 1h --dry-run',
]

export function command (run: RunAction): Command {
  return newCommand('group', 'List, describe, reset and delete consumer groups; show how far they are behind.', EXAMPLES)
    .addCommand(list(run)).addCommand(describe(run)).addCommand(lag(run)).addCommand(reset(run)).addCommand(remove(run))
}

function list (run: RunAction): Command {
  const command = newCommand('list', 'List the groups that have members or committed offsets.', [
    'sluice group list', 'sluice group list -o jsonl', 'sluice group list --brokers 10.0.0.5:7400 -o csv',
  ])
  withOutput(withBrokers(command))
  return command.action((options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      const groups = await client.admin.listGroups()
      const rows: Row[] = groups.map(({ group, state, members }) => ({ group, state, members }))
      process.stdout.write(formatRows(rows, options.output, { columns: ['group', 'state', 'members'] }))
    })))
}

function describe (run: RunAction): Command {
  const command = newCommand('describe', 'Show the members of a group and what they work on.', [
    'sluice group describe billing', 'sluice group describe billing -o json', 'sluice group describe billing -o csv',
  ])
  command.argument('<group>', 'name of the group')
  withOutput(withBrokers(command))
  return command.action((group: string, options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      checkGroupName(group)
      const { state, generation, assignor, members } = await client.admin.describeGroup(group)
      const rows: Row[] = members.map(member => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        client: member.clientName,
        address: member.clientAddress,
        assigned: member.assigned.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] })),
        sessionTimeoutMs: member.sessionTimeoutMs,
        lastHeartbeatAgoMs: member.lastHeartbeatAgoMs,
      }))
      if (options.output === 'json') {
        process.stdout.write(`${JSON.stringify({ group, state, generation, assignor, members: rows }, null, 2)}\n`)
        return
      }
      if (options.output === 'table') {
        process.stdout.write(`group ${group}: ${state}, generation ${generation}, assignor ${assignor === '' ? '-' : assignor}\n\n`)
      }
      process.stdout.write(formatRows(rows, options.output, {
        columns: ['memberId', 'instanceId', 'client', 'address', 'assigned', 'sessionTimeoutMs', 'lastHeartbeatAgoMs'],
        show: (column, value) => column === 'assigned' ? showAssigned(value as typeof members[number]['assigned']) : undefined,
      }))
    })))
}

function showAssigned (assigned: readonly { topic: string, partitions: readonly number[] }[]): string {
  return assigned.length === 0 ? '-' : assigned.map(({ topic, partitions }) => `${topic}[${partitions.join(' ')}]`).join(' ')
}

function lag (run: RunAction): Command {
  const command = newCommand('lag', 'Show how many records a group has still to read, for each partition.', [
    'sluice group lag billing',
    'sluice group lag billing -o json',
    "sluice group lag billing -o json | jq 'map(.lag) | add'",
  ])
  command.argument('<group>', 'name of the group').option('--topic <name>', 'this topic only')
  withOutput(withBrokers(command))
  interface Options extends BrokerOptions, OutputOptions { topic?: string }
  return command.action((group: string, options: Options) => run(() =>
    withClient(options, async client => {
      checkGroupName(group)
      const columns = ['group', 'topic', 'partition', 'committedOffset', 'logStartOffset', 'highWatermark', 'lag', 'memberId']
      const rows = (await client.admin.groupLag(group))
        .filter(row => options.topic === undefined || row.topic === options.topic)
        .map(({ topic, partition, offset, logStartOffset, highWatermark, records, memberId }) =>
          ({ group, topic, partition, committedOffset: offset, logStartOffset, highWatermark, lag: records, memberId }))
      process.stdout.write(formatRows(rows, options.output, { columns }))
      if (options.output === 'table') {
        const total = rows.reduce((sum, row) => sum + row.lag, 0)
        process.stderr.write(`${total.toLocaleString('en-US')} records behind in all\n`)
      }
    })))
}

function reset (run: RunAction): Command {
  const command = newCommand('reset', 'Move the committed offsets of a group that has no members.', [
    'sluice group reset billing --topic orders --to start --dry-run',
    'sluice group reset billing --topic orders --to @2026-01-31T12:00:00Z --yes',
    'sluice group reset billing --topic orders --to -100',
  ])
  command.argument('<group>', 'name of the group')
    .requiredOption('--topic <name>', 'topic whose offsets are moved')
    .requiredOption('--to <position>', 'start, end, an offset, -10, @TIME or an age such as 1h', parseStartPosition)
  withOutput(withConfirmation(withBrokers(command)))
  interface Options extends BrokerOptions, OutputOptions, ConfirmationOptions { topic: string, to: StartPosition }
  return command.action((group: string, options: Options) => run(() =>
    withClient(options, async client => {
      checkGroupName(group)
      checkTopicName(options.topic)
      await client.admin.describeGroup(group)
      const planned = await client.admin.resetOffsets(group, options.topic, options.to, { dryRun: true })
      const print = (moves: typeof planned): void => {
        const rows = moves.map(({ partition, from, to }) =>
          ({ topic: options.topic, partition, from: from < 0 ? null : from, to }))
        process.stdout.write(formatRows(rows, options.output, { columns: ['topic', 'partition', 'from', 'to'] }))
      }
      if (options.dryRun === true) {
        print(planned)
        return note('nothing was done')
      }
      await confirm(`Move ${planned.length} offsets of group ${group} in topic ${options.topic}?`, options)
      print(await client.admin.resetOffsets(group, options.topic, options.to))
    })))
}

function remove (run: RunAction): Command {
  const command = newCommand('delete', 'Delete groups without members, with their offsets: they begin anew.', [
    'sluice group delete billing', 'sluice group delete billing reports --yes', 'sluice group delete billing --dry-run',
  ])
  command.argument('<groups...>', 'names of the groups')
  withConfirmation(withBrokers(command))
  return command.action((groups: string[], options: BrokerOptions & ConfirmationOptions) => run(() =>
    withClient(options, async client => {
      groups.forEach(checkGroupName)
      const described = await client.admin.describeGroups(groups)
      const busy = described.filter(group => group.members.length > 0).map(group => group.group)
      if (busy.length > 0) {
        throw new CliError(EXIT.failed, `${busy.join(', ')} still has members: stop its consumers first`)
      }
      if (options.dryRun === true) return note(`would delete ${groups.join(', ')}; nothing was done`)
      await confirm(`Delete ${groups.join(', ')} with all committed offsets?`, options)
      for (const group of groups) {
        await client.admin.deleteGroup(group)
        note(`deleted group ${group}`)
      }
    })))
}
