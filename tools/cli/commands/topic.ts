// `sluice topic`: create, list, describe, alter, delete, truncate.
//
// A queue is a topic too: `sluice queue` shares what is the same for both.

import type { ReplicaMove, TopicDescription } from '@sluice/client'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import {
  integerOption, newCommand, settingOption, withBrokers, withConfirmation, withOutput,
  type BrokerOptions, type OutputOptions,
} from '../command.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT } from '../exit-code.js'
import type { RunAction } from '../command-module.js'
import { countOf, note } from '../messages.js'
import { formatBytes, formatTime } from '../quantities.js'
import { formatObject, formatRows, type Row } from '../rows.js'
import { queueSettingsOf, withQueueSettings, type QueueSettingOptions } from '../queue/settings-options.js'
import { withClient } from '../session.js'
import { checkTopicName } from '../names.js'

const EXAMPLES = [
  'sluice topic create orders --partitions 4',
  'sluice topic describe orders -o json',
  'sluice topic alter orders --set retention.ms=30d',
]

export function command (run: RunAction): Command {
  return newCommand('topic', 'Create, list, describe, alter, delete and truncate topics.', EXAMPLES)
    .addCommand(create(run)).addCommand(list(run)).addCommand(describe(run, 'topic'))
    .addCommand(alter(run, 'topic')).addCommand(remove(run, 'topic')).addCommand(truncate(run))
}

function create (run: RunAction): Command {
  const command = newCommand('create', 'Create a topic. With --dry-run everything is checked and nothing created.', [
    'sluice topic create orders --partitions 4',
    'sluice topic create audit --set retention.ms=365d --set cleanup=delete',
    'sluice topic create users --partitions 8 --set cleanup=compact --dry-run',
  ])
  command.argument('<name>', 'name of the topic')
    .option('-p, --partitions <number>', 'partitions (default: that of the broker)', integerOption(1, 10_000))
    .option('--replicas <number>', 'replicas (default: that of the broker)', integerOption(1, 100))
    .option('-s, --set <name=value>', 'a setting; may be given several times', settingOption, {})
    .option('--if-not-exists', 'succeed where the topic is there already')
    .option('--dry-run', 'check everything and create nothing')
  withOutput(withBrokers(command))
  interface Options extends BrokerOptions, OutputOptions {
    partitions?: number, replicas?: number, set: Record<string, string>, ifNotExists?: boolean, dryRun?: boolean
  }
  return command.action((name: string, options: Options) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      const { partitions, replicas, set: config, dryRun } = options
      try {
        const created = await client.admin.createTopic(name, { partitions, replicas, config, dryRun })
        if (dryRun === true) return note(`topic ${name} could be created with ${countOf(created.partitions, 'partition')}; nothing was done`)
        if (options.output === 'table') return note(`created topic ${name} with ${countOf(created.partitions, 'partition')}`)
        process.stdout.write(formatObject({ name, ...created }, options.output))
      } catch (error) {
        if (options.ifNotExists !== true || (error as { code?: string }).code !== 'ALREADY_EXISTS') throw error
        note(`topic ${name} is there already`)
      }
    })))
}

function list (run: RunAction): Command {
  const command = newCommand('list', 'List the topics.', [
    'sluice topic list', 'sluice topic list -o jsonl', 'sluice topic list --brokers 10.0.0.5:7400 -o csv',
  ])
  withOutput(withBrokers(command))
  return command.action((options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      const topics = await client.admin.listTopicSummaries()
      const columns = ['name', 'topicId', 'kind', 'partitions', 'replicationFactor']
      const rows: Row[] = topics.map(({ name, topicId, kind, partitions, replicationFactor }) =>
        ({ name, topicId, kind, partitions, replicationFactor }))
      process.stdout.write(formatRows(rows, options.output, { columns }))
    })))
}

/** What a command calls the thing it works on. */
type Noun = 'topic' | 'queue'

export function describe (run: RunAction, noun: Noun): Command {
  const command = newCommand('describe', `Show the settings and partitions of a ${noun}. Exit code 6 where one is not online.`, [
    `sluice ${noun} describe orders`,
    `sluice ${noun} describe orders -o json`,
    `sluice ${noun} describe orders -o json | jq '.partitions[].highWatermark'`,
  ])
  command.argument('<name>', `name of the ${noun}`)
  withOutput(withBrokers(command))
  return command.action((name: string, options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      const topic = await client.admin.describeTopic(name)
      process.stdout.write(formatTopic(topic, options.output))
      return topic.partitions.every(partition => partition.state === 'online') ? EXIT.ok : EXIT.degraded
    })))
}

/** One object for `json`; a row per partition for `jsonl` and `csv`; both parts for people. */
function formatTopic (topic: TopicDescription, format: OutputOptions['output']): string {
  const partitions: Row[] = topic.partitions.map(partition => ({
    partition: partition.partition,
    state: partition.state,
    leader: partition.leader,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicas,
    logStartOffset: partition.logStartOffset,
    highWatermark: partition.highWatermark,
    nextOffset: partition.nextOffset,
    records: partition.highWatermark - partition.logStartOffset,
    sizeBytes: partition.sizeBytes,
    segments: partition.segments,
    stateReason: partition.stateReason,
    quarantined: partition.quarantined,
  }))
  const { name, topicId, kind, createdAt, replicationFactor } = topic
  const settings = Object.fromEntries(topic.config.map(setting => [setting.name, setting.value]))
  if (format === 'json') {
    return `${JSON.stringify({
      name,
topicId,
kind,
createdAt,
replicationFactor,
partitionCount: partitions.length,
settings,
      settingSources: Object.fromEntries(topic.config.map(setting => [setting.name, setting.source])),
partitions,
    }, null, 2)}\n`
  }
  if (format !== 'table') return formatRows(partitions.map(partition => ({ topic: name, ...partition })), format)
  const head = formatObject({ topic: name, id: topicId, kind, created: formatTime(createdAt), replicas: replicationFactor }, 'table')
  const config = formatRows(topic.config.map(({ name, value, source }) => ({ setting: name, value, source })), 'table')
  const rows = formatRows(partitions, 'table', {
    hidden: ['nextOffset', ...(partitions.some(row => row.stateReason !== '') ? [] : ['stateReason']),
      ...(topic.partitions.some(row => row.quarantined.length > 0) ? [] : ['quarantined'])],
    show: (column, value) => column === 'sizeBytes' ? formatBytes(value as number) : undefined,
  })
  return `${head}\n${config}\n${rows}`
}

export function alter (run: RunAction, noun: Noun): Command {
  const command = newCommand('alter', `Change settings of a ${noun}, add partitions, or change how many replicas they have. More partitions move keys to other ones.`, [
    noun === 'topic'
      ? 'sluice topic alter orders --set retention.ms=30d --unset retention.bytes'
      : 'sluice queue alter emails --visibility 1m --unset max.attempts',
    `sluice ${noun} alter orders --partitions 8`,
    `sluice ${noun} alter orders --replicas 3 --dry-run`,
    `sluice ${noun} alter orders --set flush=interval --dry-run`,
  ])
  command.argument('<name>', `name of the ${noun}`)
    .option('-p, --partitions <number>', 'new number of partitions, not below the present one', integerOption(1, 10_000))
    .option('--replicas <number>', 'new number of replicas, odd; sluice cluster status shows how far that is', integerOption(1, 99))
  if (noun === 'queue') withQueueSettings(command)
  else command.option('-s, --set <name=value>', 'a setting; may be given several times', settingOption, {})
  command
    .option('-u, --unset <name>', 'a setting to put back to its default; may be given several times',
      (name: string, names: string[]) => [...names, name], [])
    .option('--dry-run', 'check everything and change nothing')
  withBrokers(command)
  interface Options extends BrokerOptions, QueueSettingOptions {
    partitions?: number, replicas?: number, unset: string[], dryRun?: boolean
  }
  return command.action((name: string, options: Options) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      const { partitions, replicas, unset, dryRun } = options
      const set = noun === 'queue' ? queueSettingsOf(options) : options.set
      const numbers = partitions ?? replicas
      if (numbers === undefined && Object.keys(set).length === 0 && unset.length === 0) {
        const more = noun === 'queue' ? ', or a setting such as --visibility' : ''
        throw new CliError(EXIT.usage, `nothing to change: give --partitions, --replicas, --set or --unset${more}`)
      }
      const moves = await client.admin.alterTopic(name, { partitions, replicas, set, unset, dryRun })
      const copying = replicas === undefined ? '' : `: ${replicaChangeOf(moves)}`
      if (dryRun === true) return note(`${noun} ${name} could be changed so${copying}; nothing was done`)
      note(`changed ${noun} ${name}${copying}${moves.length > 0 ? '; sluice cluster status shows how far that is' : ''}`)
    })))
}

function replicaChangeOf (moves: readonly ReplicaMove[]): string {
  if (moves.length === 0) return 'there are as many replicas already'
  const added = moves.reduce((sum, { from, to }) => sum + to.filter(id => !from.includes(id)).length, 0)
  const removed = moves.reduce((sum, { from, to }) => sum + from.filter(id => !to.includes(id)).length, 0)
  return `${countOf(moves.length, 'partition')}, ${added} replicas to copy, ${removed} to remove`
}

export function remove (run: RunAction, noun: Noun): Command {
  const command = newCommand('delete', `Delete ${noun}s with all their records.`, [
    `sluice ${noun} delete orders`, `sluice ${noun} delete orders payments --yes`, `sluice ${noun} delete orders --dry-run`,
  ])
  command.argument('<names...>', `names of the ${noun}s`)
  withConfirmation(withBrokers(command))
  return command.action((names: string[], options: BrokerOptions & ConfirmationOptions) => run(() =>
    withClient(options, async client => {
      names.forEach(checkTopicName)
      const topics = await client.admin.describeTopics(names)
      const what = topics.map(topic => `${topic.name} (${countOf(recordsOf(topic), 'record')})`).join(', ')
      if (options.dryRun === true) return note(`would delete ${what}; nothing was done`)
      await confirm(`Delete ${what} for good?`, options)
      for (const name of names) {
        await client.admin.deleteTopic(name)
        note(`deleted ${noun} ${name}`)
      }
    })))
}

function truncate (run: RunAction): Command {
  const command = newCommand('truncate', 'Delete the records of a topic, all that there are now or those below an offset.', [
    'sluice topic truncate orders --yes',
    'sluice topic truncate orders --partition 2 --before 1000',
    'sluice topic truncate orders --dry-run',
  ])
  command.argument('<name>', 'name of the topic')
    .option('--partition <number>', 'this partition only', integerOption(0))
    .option('--before <offset>', 'records below this offset (default: all there are now)', integerOption(0))
  withOutput(withConfirmation(withBrokers(command)))
  interface Options extends BrokerOptions, OutputOptions, ConfirmationOptions { partition?: number, before?: number }
  return command.action((name: string, options: Options) => run(() =>
    withClient(options, async client => {
      checkTopicName(name)
      const topic = await client.admin.describeTopic(name)
      const chosen = topic.partitions
        .filter(({ partition }) => options.partition === undefined || partition === options.partition)
      if (chosen.length === 0) {
        throw new CliError(EXIT.notFound, `topic ${name} has no partition ${options.partition}: it has 0 to ${topic.partitions.length - 1}`)
      }
      const before: Record<number, number> = {}
      let records = 0
      for (const { partition, logStartOffset, highWatermark } of chosen) {
        before[partition] = Math.min(options.before ?? highWatermark, highWatermark)
        records += Math.max(0, before[partition]! - logStartOffset)
      }
      const what = `${countOf(records, 'record')} of topic ${name}`
      if (options.dryRun === true) return note(`would delete ${what}; nothing was done`)
      await confirm(`Delete ${what} for good?`, options)
      const deleted = await client.admin.deleteRecords(name, before)
      const rows = deleted.map(({ partition, logStartOffset }) => ({ partition, logStartOffset }))
      process.stdout.write(formatRows(rows, options.output, { columns: ['partition', 'logStartOffset'] }))
    })))
}

function recordsOf (topic: TopicDescription): number {
  return topic.partitions.reduce((sum, partition) => sum + partition.highWatermark - partition.logStartOffset, 0)
}
