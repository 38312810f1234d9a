// Subcommands that run one workload.

import { CODEC_NAMES } from '@sluice/protocol'
import { Option, type Command } from 'commander'
import { BARE_FORMS } from '../bare-loop/commit-loop.js'
import { BenchError } from '../bench-error.js'
import { runWorkload } from '../bench-run.js'
import { QUEUE_ORDERS, type QueueOrder, type QueueWorkload } from '../queue-workload.js'
import { reportTable } from '../report.js'
import { ACKS, FETCH_DEPTHS, FLUSHES, type FetchDepth, type FlushChoice, type ProduceWorkload, type Workload } from '../workload.js'
import {
  batch, duration, integer, newCommand, print, settingsOf, withBare, withRun, type BareOptions, type RunAction,
  type RunOptions,
} from './options.js'

/** Options of the workloads, as commander hands them over. */
interface Options extends BareOptions {
  size: number
  batch: number | null
  linger: number
  acks: ProduceWorkload['acks']
  codec: ProduceWorkload['compression']
  flush: FlushChoice
  partitions: number
  connections: number
  inFlight?: number
  backlog: number
  depth: FetchDepth
  rate: number
  concurrency: number
}

export function produceCommand (run: RunAction): Command {
  const command = newCommand('produce', 'Records as fast as they are acknowledged.', [
    'produce --size 100', 'produce --size 1024 --batch 100 --partitions 8', 'produce --no-bare -o json --out produce.json',
  ])
  return withBare(withSize(command), BARE_FORMS)
    .option('--batch <records>', 'records of a batch; `auto` lets the client decide', batch, null)
    .option('--linger <duration>', 'time that a batch waits for company', duration, 0)
    .addOption(new Option('--acks <acks>', 'when a record counts as sent').choices(ACKS).default('quorum'))
    .addOption(new Option('--codec <codec>', 'how batches are compressed').choices(CODEC_NAMES).default('none'))
    .addOption(flushOption())
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 1)
    .option('--connections <count>', 'connections, each with a producer', integer(1, 1_000), 1)
    .option('--in-flight <bytes>', 'bytes that may wait for their acknowledgement, over all connections', integer(1, 2 ** 32))
    .action((options: Options) => run(() => runOne({
      name: 'produce',
      size: options.size,
      batch: options.batch,
      lingerMs: options.linger,
      acks: options.acks,
      compression: options.codec,
      flush: options.flush,
      partitions: options.partitions,
      connections: options.connections,
      inFlightBytes: options.inFlight ?? null,
    }, options)))
}

export function fetchCommand (run: RunAction): Command {
  const command = newCommand('fetch', 'A backlog, read from its start to its end again and again.', [
    'fetch', 'fetch --size 1024 --backlog 100000', 'fetch --depth batches --no-bare -o json',
  ])
  return withBare(withSize(command), ['append'])
    .option('--batch <records>', 'records in a batch of the backlog', integer(1, 1_000_000), 1000)
    .option('--backlog <records>', 'records of the backlog', integer(1, 1e9), 1_000_000)
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 1)
    .addOption(new Option('--depth <depth>', 'how far the reader goes with what it gets').choices(FETCH_DEPTHS).default('records'))
    .action((options: Options) => run(() => runOne({
      name: 'fetch',
      size: options.size,
      batch: options.batch!,
      backlog: options.backlog,
      partitions: options.partitions,
      depth: options.depth,
    }, options)))
}

export function endToEndCommand (run: RunAction): Command {
  const command = newCommand('e2e', 'Latency of records at a fixed rate, from the intended moment of sending to the reader.', [
    'e2e --rate 1000', 'e2e --rate 10000 --size 100', 'e2e --rounds 3 --folder ./data -o json',
  ])
  return withBare(command, ['append'])
    .option('--size <bytes>', 'bytes of a value', integer(8, 1 << 20), 1024)
    .option('--rate <records>', 'records a second', integer(1, 1_000_000), 1000)
    .addOption(flushOption())
    .action((options: Options) => run(() => runOne({
      name: 'e2e', size: options.size, rate: options.rate, flush: options.flush,
    }, options)))
}

export function awaitSendCommand (run: RunAction): Command {
  const command = newCommand('await-send', 'Callers that each wait for their record before they send the next.', [
    'await-send', 'await-send --concurrency 256', 'await-send --size 1024 --no-bare',
  ])
  return withBare(withSize(command), ['append'])
    .option('--concurrency <callers>', 'callers at once', integer(1, 100_000), 1)
    .addOption(flushOption())
    .action((options: Options) => run(() => runOne({
      name: 'await-send', size: options.size, concurrency: options.concurrency, flush: options.flush,
    }, options)))
}

export function queueCommand (run: RunAction): Command {
  const command = newCommand('queue', 'Records of a queue, received and acknowledged durably; with --rate, the latency from send to ' +
    'handler.', ['queue --size 100', 'queue --receive 500 --receivers 4', 'queue --concurrency 100 --hang-every 10000 --visibility 2s'])
  return withBare(command, ['append'])
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
    .action((options: QueueOptions) => run(() => runOne(queueWorkload(options), options)))
}

interface QueueOptions extends BareOptions {
  size: number
  partitions: number
  order: QueueOrder
  keys?: number
  receive: number
  receivers: number
  concurrency?: number
  backlog: number
  hangEvery?: number
  visibility: number
  rate?: number
}

function queueWorkload (options: QueueOptions): QueueWorkload {
  if (options.hangEvery !== undefined && options.concurrency === undefined) {
    throw new BenchError(2, '--hang-every needs --concurrency: only handlers hang')
  }
  return {
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
  }
}

export function backlogCommand (run: RunAction): Command {
  const command = newCommand('backlog', 'How long a group takes to catch up with a backlog while records keep coming. The window ends ' +
    'when it has caught up, or with --duration.', [
    'backlog', 'backlog --backlog 5000000 --partitions 4', 'backlog --size 1024 --rate 10000 -o json',
  ])
  return withRun(command, { warmupMs: 0, durationMs: 300_000, rounds: 3 })
    .option('--size <bytes>', 'bytes of a value', integer(16, 1 << 20), 100)
    .option('--batch <records>', 'records in a batch of the backlog', integer(1, 1_000_000), 1000)
    .option('--backlog <records>', 'records that wait at the start', integer(1, 1e9), 2_000_000)
    .option('--rate <records>', 'records a second that keep coming', integer(1, 1_000_000), 1000)
    .option('--partitions <count>', 'partitions of the topic', integer(1, 10_000), 1)
    .action((options: Options) => run(() => runOne({
      name: 'backlog',
      size: options.size,
      batch: options.batch!,
      backlog: options.backlog,
      rate: options.rate,
      partitions: options.partitions,
    }, options)))
}

async function runOne (workload: Workload, options: RunOptions & Partial<BareOptions>): Promise<void> {
  const result = await runWorkload(workload, settingsOf(options))
  await print(result, reportTable(result), options)
}

function withSize (command: Command): Command {
  return command.option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
}

function flushOption (): Option {
  return new Option('--flush <policy>', 'when the broker syncs').choices(FLUSHES).default('sync')
}
