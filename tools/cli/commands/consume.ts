// `sluice consume`: prints records, of a range or as a member of a group.
//
// Without a group nothing is remembered. With one, what was printed is committed: after it has been written out, so
// that a record may be printed twice after a crash, but none is passed over.

import { Option, type Command } from 'commander'
import { CliError } from '../cli-error.js'
import { integerOption, newCommand, withBrokers, type BrokerOptions } from '../command.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { consumeGroup } from '../group-consumption.js'
import type { RunAction } from '../command-module.js'
import { checkGroupName, checkTopicName } from '../names.js'
import { formatThroughput } from '../quantities.js'
import { consumeRange } from '../range-consumption.js'
import { parseRecordFormat, RECORD_FORMATS, type RecordPrinter } from '../record-format.js'
import { RecordPrinting } from '../record-printing.js'
import { withClient } from '../session.js'
import { parseStartPosition, type StartPosition } from '../start-position.js'

/** Options of `sluice consume`. */
export interface ConsumeOptions extends BrokerOptions {
  offset?: StartPosition
  exit?: boolean
  group?: string
  instance?: string
  partition?: number[]
  outputFormat?: RecordPrinter
  grep?: RegExp
  count?: number
  verbose?: boolean
}

export function command (run: RunAction): Command {
  const consume = newCommand('consume', 'Print the records of a topic, and go on with new ones until told to stop.', [
    "sluice consume orders -o start -e -f '%p %o %k %v\\n'",
    'sluice consume orders -o 1h --grep error',
    "sluice consume orders -g billing -e -f '%v\\n'",
  ])
  consume.argument('<topic>', 'name of the topic')
    .option('-o, --offset <position>', 'where to begin: start (the default), end, an offset, -10, @TIME or an age such as 1h; ' +
      'with a group only where it has no offset', parseStartPosition)
    .option('-e, --exit', 'stop at what is the end when it starts; with a group, when the group has passed it')
    .option('-g, --group <name>', 'read as a member of this group and commit what was printed')
    .option('--instance <name>', 'with a group: be a static member under this name')
    .option('-p, --partition <number>', 'this partition only; may be given several times', partitionOption)
    .addOption(new Option('-f, --output-format <format>', `${RECORD_FORMATS.join(', ')}, or a template: %t topic, %p partition, ` +
      '%o offset, %k key, %v value, %h headers, %s size, %T timestamp, \\n, \\t').argParser(parseRecordFormat))
    .option('--grep <pattern>', 'only records whose value matches this regular expression', patternOption)
    .option('-n, --count <number>', 'stop after so many records', integerOption(1))
    .option('-v, --verbose', 'report count and rate at the end')
  withBrokers(consume)
  return consume.action((topic: string, options: ConsumeOptions) => run(() => consumeTopic(topic, options)))
}

async function consumeTopic (topic: string, options: ConsumeOptions): Promise<ExitCode> {
  checkTopicName(topic)
  if (options.group !== undefined) checkGroupName(options.group)
  if (options.group !== undefined && options.partition !== undefined) {
    throw new CliError(EXIT.usage, '--partition and --group exclude each other: the group shares the partitions out')
  }
  if (options.instance !== undefined && options.group === undefined) throw new CliError(EXIT.usage, '--instance needs --group')
  const stopped = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    // Asked a second time it ends at once, even while a write to a full pipe is stuck.
    if (stopped.signal.aborted) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
    stopped.abort()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const startedAtMs = performance.now()
  const printer = options.outputFormat ?? parseRecordFormat(process.stdout.isTTY ? 'table' : 'value')
  const printing = new RecordPrinting(printer, { grep: options.grep ?? null, countMax: options.count ?? Infinity })
  await withClient(options, async client => {
    const { partitions } = await client.admin.describeTopic(topic)
    for (const partition of options.partition ?? []) {
      if (partition < partitions.length) continue
      throw new CliError(EXIT.notFound, `topic ${topic} has no partition ${partition}: it has 0 to ${partitions.length - 1}`)
    }
    if (options.group === undefined) await consumeRange(client, topic, options, printing, stopped.signal)
    else await consumeGroup(client, topic, { ...options, group: options.group }, printing, stopped.signal)
  })
  if (options.verbose === true) {
    process.stderr.write(`printed ${formatThroughput(printing.records, printing.bytes, performance.now() - startedAtMs)}\n`)
  }
  return EXIT.ok
}

function partitionOption (text: string, given: number[] = []): number[] {
  return [...given, integerOption(0)(text)]
}

function patternOption (text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (error) {
    throw new CliError(EXIT.usage, `--grep: ${(error as Error).message}`)
  }
}
