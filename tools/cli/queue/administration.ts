// `sluice queue create` and `list`. Describing, altering and deleting are as of topics.

import type { Command } from 'commander'
import { integerOption, newCommand, withBrokers, withOutput, type BrokerOptions, type OutputOptions } from '../command.js'
import type { RunAction } from '../command-module.js'
import { countOf, note } from '../messages.js'
import { checkTopicName } from '../names.js'
import { formatObject, formatRows, type Row } from '../rows.js'
import { withClient } from '../session.js'
import { queueSettingsOf, withQueueSettings, type QueueSettingOptions } from './settings-options.js'

export function create (run: RunAction): Command {
  const command = newCommand('create', 'Create a queue. With --dry-run everything is checked and nothing created.', [
    'sluice queue create emails --partitions 4 --visibility 1m --dead-letter emails-dead',
    'sluice queue create payments --ordered --poison hold --max-attempts 10 --backoff 1s..5m',
    'sluice queue create jobs --order priority --set priority.ageing.ms=30s --dry-run',
  ])
  command.argument('<name>', 'name of the queue')
    .option('-p, --partitions <number>', 'partitions (default: that of the broker)', integerOption(1, 10_000))
    .option('--replicas <number>', 'replicas (default: that of the broker)', integerOption(1, 100))
  withQueueSettings(command)
    .option('--if-not-exists', 'succeed where the queue is there already')
    .option('--dry-run', 'check everything and create nothing')
  withOutput(withBrokers(command))
  interface Options extends BrokerOptions, OutputOptions, QueueSettingOptions {
    partitions?: number, replicas?: number, ifNotExists?: boolean, dryRun?: boolean
  }
  return command.action((name: string, options: Options) => run(async () => {
    checkTopicName(name)
    const config = queueSettingsOf(options)
    await withClient(options, async client => {
      const { partitions, replicas, dryRun } = options
      try {
        const created = await client.admin.createQueue(name, { partitions, replicas, config, dryRun })
        const size = countOf(created.partitions, 'partition')
        if (dryRun === true) return note(`queue ${name} could be created with ${size}; nothing was done`)
        if (options.output === 'table') return note(`created queue ${name} with ${size}`)
        process.stdout.write(formatObject({ name, ...created }, options.output))
      } catch (error) {
        if (options.ifNotExists !== true || (error as { code?: string }).code !== 'ALREADY_EXISTS') throw error
        note(`queue ${name} is there already`)
      }
    })
  }))
}

export function list (run: RunAction): Command {
  const command = newCommand('list', 'List the queues.', [
    'sluice queue list', 'sluice queue list -o jsonl', 'sluice queue list --brokers 10.0.0.5:7400 -o csv',
  ])
  withOutput(withBrokers(command))
  return command.action((options: BrokerOptions & OutputOptions) => run(() =>
    withClient(options, async client => {
      const topics = await client.admin.listTopicSummaries()
      const rows: Row[] = topics.filter(({ kind }) => kind === 'queue').map(({ name, topicId, partitions, replicationFactor }) =>
        ({ name, topicId, partitions, replicationFactor }))
      const columns = ['name', 'topicId', 'partitions', 'replicationFactor']
      process.stdout.write(formatRows(rows, options.output, { columns }))
    })))
}
