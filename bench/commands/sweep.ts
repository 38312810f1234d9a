// `sluice bench sweep`: which settings of producer and topic suit this machine and these records.

import { CODEC_NAMES, codecAvailable } from '@sluice/protocol'
import { type Command, Option } from 'commander'
import { runSweep } from '../sweep/run-sweep.js'
import { DESIGNS, type Design } from '../sweep/sweep-plan.js'
import { sweepPage, sweepTable } from '../sweep/sweep-report.js'
import { ACKS, FLUSHES, type ProduceWorkload } from '../workload.js'
import {
  batch, duration, integer, listOf, newCommand, oneOf, print, settingsOf, withRun, writeText, type RunAction,
  type RunOptions,
} from './options.js'

interface SweepCommandOptions extends RunOptions {
  size: number
  connections: number
  batch: (number | null)[]
  linger: number[]
  partitions: number[]
  acks: ProduceWorkload['acks'][]
  codec: ProduceWorkload['compression'][]
  inFlight: (number | null)[]
  flush: ProduceWorkload['flush'][]
  design: Design
  combine: boolean
  html?: string
}

const KIB = 1024

export function sweepCommand (run: RunAction): Command {
  const command = newCommand('sweep', 'Measure produce at many settings, and say which to use. The first of each list is the base; by ' +
    'default each setting is varied by itself, and the best ones are measured together at the end.', [
    'sweep --size 200 --html sweep.html',
    'sweep --batch auto,100,1000 --partitions 1,16 --design grid --rounds 3',
    'sweep --linger 0,1,5,20 --acks quorum --flush sync --codec none',
  ])
  const codecs = CODEC_NAMES.filter(codecAvailable)
  return withRun(command, { rounds: 3, durationMs: 2_000, warmupMs: 1_000 })
    .option('--size <bytes>', 'bytes of a value', integer(1, 1 << 20), 100)
    .option('--connections <count>', 'connections, each with a producer', integer(1, 1_000), 1)
    .addOption(list('--batch <records>', 'records of a batch; `auto` lets the client decide', batch, [null, 10, 100, 1_000], 'auto,10,100,1000'))
    .addOption(list('--linger <durations>', 'time that a batch waits for company', duration, [0, 1, 5, 20], '0ms,1ms,5ms,20ms'))
    .addOption(list('--partitions <counts>', 'partitions of the topic', integer(1, 10_000), [1, 4, 16]))
    .addOption(list('--acks <acks>', ACKS.join(', '), oneOf(ACKS), ['quorum', 'leader']))
    .addOption(list('--codec <codecs>', CODEC_NAMES.join(', '), oneOf(CODEC_NAMES), codecs))
    .addOption(list('--in-flight <bytes>', 'bytes that may wait for their acknowledgement; `auto` is the default of the client',
      text => text === 'auto' ? null : integer(64 * KIB, 2 ** 32)(text), [null, 1024 * KIB, 8 * 1024 * KIB], 'auto,1048576,8388608'))
    .addOption(list('--flush <policies>', FLUSHES.join(', '), oneOf(FLUSHES), ['sync', 'interval', 'none']))
    .addOption(new Option('--design <design>', 'each setting by itself, or all combinations').choices(DESIGNS).default('each'))
    .option('--no-combine', 'do not measure the best settings together')
    .option('--html <file>', 'write a report with plots')
    .action((options: SweepCommandOptions) => run(() => sweep(options)))
}

async function sweep (options: SweepCommandOptions): Promise<void> {
  const { size, connections, design, combine, html } = options
  const levels = {
    batch: options.batch,
    lingerMs: options.linger,
    partitions: options.partitions,
    acks: options.acks,
    compression: options.codec,
    inFlightBytes: options.inFlight,
    flush: options.flush,
  }
  const base: ProduceWorkload = {
    name: 'produce',
    size,
    connections,
    batch: levels.batch[0]!,
    lingerMs: levels.lingerMs[0]!,
    partitions: levels.partitions[0]!,
    acks: levels.acks[0]!,
    compression: levels.compression[0]!,
    inFlightBytes: levels.inFlightBytes[0]!,
    flush: levels.flush[0]!,
  }
  const result = await runSweep({ base, levels, design, combine: combine && design === 'each' }, settingsOf(options))
  if (html !== undefined) await writeText(html, sweepPage(result))
  await print(result, sweepTable(result), options)
}

function list<Value> (
  flags: string, description: string, parse: (text: string) => Value, levels: readonly Value[], shown = levels.join(','),
): Option {
  return new Option(flags, `${description}; several with commas between`).argParser(listOf(parse)).default(levels, shown)
}
