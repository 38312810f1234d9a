// `sluice segment`: the files of a broker that is stopped. ls, dump and verify change nothing.

import { CODEC_NAMES, RecordReader, type BatchHeader } from '@sluice/protocol'
import { DiskError, dumpSegment, listSegments, NodeDisk, repairLog, verifyLog, type LogCheck } from '@sluice/storage'
import type { Command } from 'commander'
import { CliError } from '../cli-error.js'
import { integerOption, newCommand, withConfirmation, withOutput, type OutputOptions } from '../command.js'
import { confirm, type ConfirmationOptions } from '../confirm.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import type { RunAction } from '../command-module.js'
import { note } from '../messages.js'
import { fileName, findLogs, withOfflineFolder, type LogChoice } from '../offline-folder.js'
import { formatBytes } from '../quantities.js'
import { formatRows, type Row } from '../rows.js'

interface FolderOptions extends OutputOptions, LogChoice { data: string }

const EXAMPLES = [
  'sluice segment ls --data ./data',
  'sluice segment verify --data ./data --topic orders',
  'sluice segment repair --data ./data --topic orders --partition 2 --dry-run',
]

const LS_COLUMNS = ['topic', 'partition', 'kind', 'baseOffset', 'sizeBytes', 'modified', 'generation', 'fault', 'path']
const BATCH_COLUMNS = ['position', 'baseOffset', 'lastOffset', 'records', 'sizeBytes', 'codec', 'leaderEpoch',
  'committedOffset', 'producerId', 'producerEpoch', 'baseSequence', 'maxTimestamp', 'flags']
const RECORD_COLUMNS = ['offset', 'timestamp', 'key', 'value', 'headers']
const VERIFY_COLUMNS = ['topic', 'partition', 'kind', 'file', 'status', 'baseOffset', 'endOffset', 'batches', 'records', 'detail']
const REPAIR_COLUMNS = ['topic', 'partition', 'kind', 'cutBytes', 'copies']
const TEXT_BYTES_MAX = 200

export function command (run: RunAction): Command {
  return newCommand('segment', 'Look into the files of a stopped broker, verify and repair them.', EXAMPLES)
    .addCommand(ls(run)).addCommand(dump(run)).addCommand(verify(run)).addCommand(repair(run))
}

function withFolder (command: Command): Command {
  return command
    .requiredOption('--data <folder>', 'data folder of a broker that is stopped')
    .option('--topic <name>', 'logs of this topic only, by name or id')
    .option('--partition <number>', 'this partition only', integerOption(0))
}

function ls (run: RunAction): Command {
  const command = newCommand('ls', 'List the segment files.', [
    'sluice segment ls --data ./data', 'sluice segment ls --data ./data --topic orders', 'sluice segment ls --data ./data -o csv',
  ])
  withOutput(withFolder(command))
  return command.action((options: FolderOptions) => run(async () => {
    const disk = new NodeDisk()
    await withOfflineFolder(options.data, disk, async logsFolder => {
      const rows: Row[] = []
      for (const { topic, id } of await findLogs(disk, logsFolder, options)) {
        for (const segment of await listSegments(disk, logsFolder, id)) {
          rows.push({
            topic,
            partition: id.partition,
            kind: id.kind,
            baseOffset: segment.baseOffset,
            sizeBytes: segment.sizeBytes,
            modified: new Date(segment.modifiedMs).toISOString(),
            generation: segment.header?.generation ?? null,
            fault: segment.fault,
            path: segment.path,
          })
        }
      }
      process.stdout.write(formatRows(rows, options.output, {
        columns: LS_COLUMNS, show: (column, value) => column === 'sizeBytes' ? formatBytes(value as number) : undefined,
      }))
    })
  }))
}

function dump (run: RunAction): Command {
  const command = newCommand('dump', 'Print the batches of a segment file, or its records.', [
    'sluice segment dump data/logs/ID/0/data/00000000000000000000.log',
    'sluice segment dump FILE --records -n 10',
    'sluice segment dump FILE --from 1000 -o jsonl',
  ])
  command.argument('<file>', 'the segment file')
    .option('--records', 'records instead of batches')
    .option('--from <offset>', 'begin at this offset', integerOption(0), 0)
    .option('-n, --count <number>', 'stop after so many', integerOption(1))
  withOutput(command)
  interface Options extends OutputOptions { records?: boolean, from: number, count?: number }
  return command.action((file: string, options: Options) => run(async () => {
    const countMax = options.count ?? Infinity
    const rows: Row[] = []
    const check = await dumpSegment(new NodeDisk(), file, (header, batch, position) => {
      if (header.baseOffset + header.lastOffsetDelta < options.from) return true
      if (options.records === true) addRecords(rows, batch, options.from, countMax)
      else rows.push(batchRow(header, position))
      return rows.length < countMax
    }).catch((error: Error) => { throw new CliError(exitCodeOf(error), error.message, { cause: error }) })
    const columns = options.records === true ? RECORD_COLUMNS : BATCH_COLUMNS
    process.stdout.write(formatRows(rows, options.output, { columns }))
    const detail = faultsOf(check)
    if (detail === '') return EXIT.ok
    process.stderr.write(`not all of it is sound: ${detail}\n`)
    return EXIT.failed
  }))
}

/** A file that is missing is not found; one that is no segment, or cannot be read, fails. */
function exitCodeOf (error: Error): ExitCode {
  return error instanceof DiskError && error.code === 'ENOENT' ? EXIT.notFound : EXIT.failed
}

function batchRow (header: BatchHeader, position: number): Row {
  return {
    position,
    baseOffset: header.baseOffset,
    lastOffset: header.baseOffset + header.lastOffsetDelta,
    records: header.recordCount,
    sizeBytes: header.size,
    codec: CODEC_NAMES[header.codec] ?? header.codec,
    leaderEpoch: header.leaderEpoch,
    committedOffset: header.committedOffset,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    maxTimestamp: header.maxTimestamp,
    flags: header.flags,
  }
}

function addRecords (rows: Row[], batch: Buffer, from: number, countMax: number): void {
  const reader = new RecordReader().open(batch)
  while (rows.length < countMax && reader.next()) {
    if (reader.offset < from) continue
    rows.push({
      offset: reader.offset,
      timestamp: reader.timestamp,
      key: textOf(reader.key),
      value: textOf(reader.value),
      headers: reader.headers().map(({ name, value }) => ({ name, value: textOf(value) })),
    })
  }
}

/** For a look, not for copying data: UTF-8, cut after some 200 bytes. */
function textOf (bytes: Buffer | null): string | null {
  if (bytes === null) return null
  return bytes.length <= TEXT_BYTES_MAX ? bytes.toString() : `${bytes.toString('utf8', 0, TEXT_BYTES_MAX)}… (${bytes.length} bytes)`
}

function verify (run: RunAction): Command {
  const command = newCommand('verify', 'Read every batch and check it. Exit code 1 where something is damaged.', [
    'sluice segment verify --data ./data',
    'sluice segment verify --data ./data --topic orders --partition 2',
    'sluice segment verify --data ./data -o json',
  ])
  withOutput(withFolder(command))
  return command.action((options: FolderOptions) => run(async () => {
    const disk = new NodeDisk()
    return await withOfflineFolder(options.data, disk, async logsFolder => {
      const rows: Row[] = []
      let sound = true
      for (const { topic, id } of await findLogs(disk, logsFolder, options)) {
        const check = await verifyLog(disk, logsFolder, id)
        sound &&= check.sound
        rows.push(...verifyRows(topic, check))
      }
      process.stdout.write(formatRows(rows, options.output, { columns: VERIFY_COLUMNS }))
      note(sound ? 'all is sound' : 'not all is sound: sluice segment repair --dry-run says what can be done')
      return sound ? EXIT.ok : EXIT.failed
    })
  }))
}

function verifyRows (topic: string, check: LogCheck): Row[] {
  const { partition, kind } = check.id
  const rows: Row[] = check.segments.map(segment => {
    const detail = faultsOf(segment)
    return {
      topic,
      partition,
      kind,
      file: fileName(segment.path),
      status: detail === '' ? 'sound' : 'damaged',
      baseOffset: segment.baseOffset,
      endOffset: segment.endOffset,
      batches: segment.batchCount,
      records: segment.recordCount,
      detail,
    }
  })
  const extra = (file: string, status: string, detail: string): Row =>
    ({ topic, partition, kind, file, status, baseOffset: null, endOffset: null, batches: null, records: null, detail })
  for (const { from, to } of check.missing) rows.push(extra('', 'missing', `no file has offsets ${from} up to ${to}`))
  for (const path of check.strangers) rows.push(extra(fileName(path), 'stranger', 'not a segment of this log'))
  return rows
}

/** What is wrong with a segment, in words; empty where nothing is. */
function faultsOf (check: LogCheck['segments'][number]): string {
  const faults = check.damage.map(({ from, to, fromPosition, toPosition }) =>
    `offsets ${from} up to ${to} are damaged (bytes ${fromPosition} up to ${toPosition})`)
  if (check.tornBytes > 0) faults.push(`${check.tornBytes} torn bytes behind offset ${check.endOffset} (byte ${check.endPosition})`)
  if (check.headerFault !== null) faults.push(`segment header: ${check.headerFault}`)
  return faults.join('; ')
}

function repair (run: RunAction): Command {
  const command = newCommand('repair', 'Copy damaged bytes aside and cut torn ends, so that the log can be opened.', [
    'sluice segment repair --data ./data --dry-run',
    'sluice segment repair --data ./data --topic orders --partition 2',
    'sluice segment repair --data ./data --yes',
  ])
  withOutput(withConfirmation(withFolder(command)))
  interface Options extends FolderOptions, ConfirmationOptions {}
  return command.action((options: Options) => run(async () => {
    const disk = new NodeDisk()
    await withOfflineFolder(options.data, disk, async logsFolder => {
      const damaged: { topic: string, check: LogCheck }[] = []
      for (const { topic, id } of await findLogs(disk, logsFolder, options)) {
        const check = await verifyLog(disk, logsFolder, id)
        if (!check.sound) damaged.push({ topic, check })
      }
      if (damaged.length === 0) return note('all is sound: nothing to do')
      for (const { topic, check } of damaged) {
        for (const { file, status, detail } of verifyRows(topic, check)) {
          if (status !== 'sound') note(`${topic} ${check.id.partition} ${check.id.kind} ${String(file)}: ${String(detail)}`)
        }
      }
      if (options.dryRun === true) return note('would copy damaged bytes aside and cut torn ends; nothing was done')
      await confirm(`Repair ${damaged.length} ${damaged.length === 1 ? 'log' : 'logs'}? ` +
        'Bytes that are cut stay in *.damaged files.', options)
      const rows: Row[] = []
      for (const { topic, check: { id } } of damaged) {
        const { cutBytes, copies } = await repairLog(disk, logsFolder, id)
        rows.push({ topic, partition: id.partition, kind: id.kind, cutBytes, copies })
      }
      process.stdout.write(formatRows(rows, options.output, { columns: REPAIR_COLUMNS }))
    })
  }))
}
