// The command line of the benchmarks: `sluice bench`, and `npm run bench --`.

import { writeFile } from 'node:fs/promises'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { BARE_FORMS, type BareForm } from './bare-loop/commit-loop.js'
import { RUN_DEFAULTS, runWorkload, type RunSettings } from './bench-run.js'
import { QUEUE_ORDERS, type QueueOrder } from './queue-workload.js'
import { reportTable } from './report.js'
import { FETCH_DEPTHS, type FetchDepth, type FlushChoice, type Workload } from './workload.js'

/** Options that every workload takes. */
interface CommonOptions {
  rounds: number
  warmup: number
  duration: number
  count?: number
  sluice: boolean
  bare: BareForm[] | false
  folder: string
  brokerOption: Record<string, string>
  profile?: string
  output: 'table' | 'json'
  out?: string
}

const FLUSHES = ['sync', 'interval', 'none'] as const

/** The `bench` command with its subcommands, to be run or to be added to another command. */
export function benchCommand (): Command {
  const bench = new Command('bench').description('measure produce, fetch and latency against what the machine can do')
  bench.addHelpText('before', 'Examples:\n  sluice bench produce --size 100\n' +
    '  sluice bench fetch --size 1024 --backlog 1000000 -o json\n  sluice bench e2e --rate 1000 --rounds 3\n')
  bench.addCommand(produceCommand())
  bench.addCommand(fetchCommand())
  bench.addCommand(endToEndCommand())
  bench.addCommand(awaitSendCommand())
  bench.addCommand(queueCommand())
  return bench
}

/** Runs `bench` with the arguments behind it; resolves with the exit code: 0 measured, 1 failed, 2 usage. */
export async function runBench (args: readonly string[]): Promise<number> {
  const bench = benchCommand()
  for (const command of [bench, ...bench.commands]) command.exitOverride()
  try {
    await bench.parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    // commander has told of it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`bench: ${(error as Error).message}\n`)
    return 1
  }
}

function produceCommand (): Command {
  return withCommon(new Command('produce').description('records as fast as they are acknowledged'), BARE_FORMS)
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--batch <records>', 'records of a batch; `auto` lets the client decide', batch, null)
    .addOption(new Option('--acks <acks>', 'when a record counts as sent').choices(['leader', 'quorum']).default('quorum'))
    .addOption(new Option('--flush <policy>', 'when the broker syncs').choices(FLUSHES).default('sync'))
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 1)
    .option('--connections <count>', 'connections, each with a producer', integer(1, 1_000), 1)
    .option('--in-flight <bytes>', 'bytes that may wait for their acknowledgement, over all connections', integer(1, 2 ** 32))
    .action((options: CommonOptions & Options) => run({
      name: 'produce',
      size: options.size,
      batch: options.batch,
      acks: options.acks,
      flush: options.flush,
      partitions: options.partitions,
      connections: options.connections,
      inFlightBytes: options.inFlight ?? null,
    }, options))
}

function fetchCommand (): Command {
  return withCommon(new Command('fetch').description('a backlog, read from its start to its end'), ['append'])
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--batch <records>', 'records in a batch of the backlog', integer(1, 1_000_000), 1000)
    .option('--backlog <records>', 'records of the backlog', integer(1, 1e9), 1_000_000)
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 1)
    .addOption(new Option('--depth <depth>', 'how far the reader goes with what it gets').choices(FETCH_DEPTHS).default('records'))
    .action((options: CommonOptions & Options) => run({
      name: 'fetch',
      size: options.size,
      batch: options.batch!,
      backlog: options.backlog,
      partitions: options.partitions,
      depth: options.depth,
    }, options))
}

function endToEndCommand (): Command {
  return withCommon(new Command('e2e').description('latency from the intended moment of sending to the reader'), ['append'])
    .option('--size <bytes>', 'bytes of a value', integer(8, 1 << 20), 1024)
    .option('--rate <records>', 'records a second', integer(1, 1_000_000), 1000)
    .addOption(new Option('--flush <policy>', 'when the broker syncs').choices(FLUSHES).default('sync'))
    .action((options: CommonOptions & Options) => run({
      name: 'e2e', size: options.size, rate: options.rate, flush: options.flush,
    }, options))
}

function awaitSendCommand (): Command {
  return withCommon(new Command('await-send').description('callers that wait for each record'), ['append'])
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--concurrency <callers>', 'callers at once', integer(1, 100_000), 1)
    .addOption(new Option('--flush <policy>', 'when the broker syncs').choices(FLUSHES).default('sync'))
    .action((options: CommonOptions & Options) => run({
      name: 'await-send', size: options.size, concurrency: options.concurrency, flush: options.flush,
    }, options))
}

function queueCommand (): Command {
  return withCommon(new Command('queue').description('records of a queue, received and acknowledged durably'), ['append'])
    .option('--size <bytes>', 'bytes of a value', integer(8, 1 << 20), 100)
    .option('--partitions <count>', 'partitions of the queue', integer(1, 10_000), 1)
    .addOption(new Option('--order <order>', 'what keeps its order').choices(QUEUE_ORDERS).default('none'))
    .option('--keys <count>', 'keys that records have, in turn (default: 10,000 with the order of keys, else none)', integer(0, 1e6))
    .option('--receive <records>', 'records of one receive', integer(1, 10_000), 100)
    .option('--receivers <count>', 'receivers at once, each waiting for its acknowledgements', integer(1, 1_000), 1)
    .option('--concurrency <handlers>', 'work with so many handlers at once, in place of receive', integer(1, 100_000))
    .option('--backlog <records>', 'records that wait at the start', integer(1, 1e9), 1_000_000)
    .option('--hang-every <records>', 'with --concurrency: every so many handlers hang for the visibility time; in turns ' +
      'with a run without', integer(1, 1e9))
    .option('--visibility <duration>', 'visibility time of the queue', duration, 30_000)
    .option('--rate <records>', 'latency from send to handler at so many records a second', integer(1, 1_000_000))
    .action((options: CommonOptions & Options) => {
      if (options.hangEvery !== undefined && options.concurrency === undefined) {
        throw new InvalidArgumentError('--hang-every needs --concurrency: only handlers hang.')
      }
      return run({
        name: 'queue',
        size: options.size,
        partitions: options.partitions,
        order: options.order,
        keys: options.keys ?? (options.order === 'key' ? 10_000 : 0),
        receiveRecords: options.receive,
        receivers: options.receivers,
        concurrency: options.concurrency ?? null,
        backlog: options.backlog,
        hangEvery: options.hangEvery ?? null,
        visibilityMs: options.visibility,
        rate: options.rate ?? null,
      }, options)
    })
}

/** Options of the workloads, as commander hands them over. */
interface Options {
  size: number
  batch: number | null
  acks: 'leader' | 'quorum'
  flush: FlushChoice
  partitions: number
  connections: number
  inFlight?: number
  backlog: number
  depth: FetchDepth
  rate: number
  concurrency: number
  order: QueueOrder
  keys?: number
  receive: number
  receivers: number
  hangEvery?: number
  visibility: number
}

function withCommon (command: Command, bare: readonly BareForm[]): Command {
  return command
    .option('--rounds <count>', 'samples of each contender, taken in turns', integer(1, 100), RUN_DEFAULTS.rounds)
    .option('--warmup <duration>', 'work before each window', duration, RUN_DEFAULTS.warmupMs)
    .option('--duration <duration>', 'length of each window', duration, RUN_DEFAULTS.durationMs)
    .option('--count <records>', 'end each window after so many records, or the duration', integer(1, 1e12))
    .option('--no-sluice', 'measure the bare loop alone')
    .option('--bare <forms>', `forms of the bare loop, of ${BARE_FORMS.join(', ')}`, bareForms, bare)
    .option('--no-bare', 'measure Sluice alone')
    .option('--folder <path>', 'folder for the data: its disk is what is measured', RUN_DEFAULTS.folder)
    .option('--broker-option <name=value>', 'an option of the broker; may be repeated', brokerOption, {})
    .option('--profile <folder>', 'write processor profiles of broker and client there')
    .addOption(new Option('-o, --output <format>', 'what is printed').choices(['table', 'json']).default('table'))
    .option('--out <file>', 'write the JSON to a file too')
}

async function run (workload: Workload, options: CommonOptions): Promise<void> {
  const settings: RunSettings = {
    rounds: options.rounds,
    warmupMs: options.warmup,
    durationMs: options.duration,
    count: options.count ?? null,
    sluice: options.sluice,
    bare: options.bare === false ? [] : options.bare,
    folder: options.folder,
    brokerOptions: options.brokerOption,
    profileDirectory: options.profile,
    onProgress: process.stderr.isTTY ? text => process.stderr.write(`${text}\n`) : undefined,
  }
  const result = await runWorkload(workload, settings)
  const json = `${JSON.stringify(result, null, 2)}\n`
  if (options.out !== undefined) await writeFile(options.out, json)
  process.stdout.write(options.output === 'json' ? json : `${reportTable(result)}\n`)
}

function integer (min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

function batch (text: string): number | null {
  return text === 'auto' ? null : integer(1, 1_000_000)(text)
}

function duration (text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('It must be a duration such as 500ms, 3s or 1m.')
  return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000 } as Record<string, number>)[match[2]!]!
}

function bareForms (text: string): BareForm[] {
  const forms = text.split(',')
  for (const form of forms) {
    if (!BARE_FORMS.includes(form as BareForm)) throw new InvalidArgumentError(`They must be of ${BARE_FORMS.join(', ')}.`)
  }
  return forms as BareForm[]
}

function brokerOption (text: string, before: Record<string, string>): Record<string, string> {
  const separator = text.indexOf('=')
  if (separator < 1) throw new InvalidArgumentError('It must be NAME=VALUE.')
  return { ...before, [text.slice(0, separator)]: text.slice(separator + 1) }
}
