// What the subcommands of `bench` have in common: how they are made, the options of a run, parsers of values.

import { writeFile } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { BARE_FORMS, type BareForm } from '../bare-loop/commit-loop.js'
import { BenchError } from '../bench-error.js'
import { RUN_DEFAULTS, type RunSettings } from '../bench-run.js'

/** Runs the work of a command and keeps its exit code; nothing is 0. */
export type RunAction = (work: () => Promise<number | void>) => Promise<void>

/** Options of what is printed. */
export interface OutputOptions { output: 'table' | 'json', out?: string }

/** Options of every run. */
export interface RunOptions extends OutputOptions {
  rounds: number
  warmup: number
  duration: number
  folder: string
  brokerOption: Record<string, string>
}

/** Options of runs that may have the bare loop beside Sluice. */
export interface BareOptions extends RunOptions {
  count?: number
  brokers: number
  sluice: boolean
  bare: BareForm[] | false
  profile?: string
}

/** Option of commands with the pre-written form of the bare loop. */
export interface PrewrittenOptions { prewritten: number }

/** A command whose help begins with real examples and whose mistakes throw instead of ending the process. */
export function newCommand (name: string, description: string, examples: readonly string[] = []): Command {
  const command = new Command(name).description(description).exitOverride().allowExcessArguments(false)
  command.configureOutput({ writeErr: () => {} })
  command.showSuggestionAfterError()
  if (examples.length > 0) {
    command.addHelpText('before', `Examples:\n${examples.map(example => `  sluice bench ${example}\n`).join('')}`)
  }
  return command
}

/** Adds `-o` and `--out`. */
export function withOutput (command: Command): Command {
  return command
    .addOption(new Option('-o, --output <format>', 'what is printed').choices(['table', 'json']).default('table'))
    .option('--out <file>', 'write the JSON to a file too')
}

/** Adds the options of every run. */
export function withRun (command: Command, defaults: Partial<RunSettings> = {}): Command {
  const { rounds, warmupMs, durationMs, folder } = { ...RUN_DEFAULTS, ...defaults }
  return withPlace(withOutput(command
    .addOption(new Option('--rounds <count>', 'samples of each contender, taken in turns').argParser(integer(1, 100)).default(rounds))
    .addOption(new Option('--warmup <duration>', 'work before each window').argParser(duration).default(warmupMs, text(warmupMs)))
    .addOption(new Option('--duration <duration>', 'length of each window').argParser(positive).default(durationMs, text(durationMs)))), folder)
}

/** Adds where the data goes, and options of the broker. */
export function withPlace (command: Command, folder = RUN_DEFAULTS.folder): Command {
  return withBrokerOptions(command.option('--folder <path>', 'folder for the data: its disk is what is measured', folder))
}

/** Adds options of the broker. */
export function withBrokerOptions (command: Command): Command {
  return command.option('--broker-option <name=value>', 'an option of the broker; may be repeated', brokerOption, {})
}

/** Adds the options of runs that may have the bare loop beside Sluice. */
export function withBare (command: Command, bare: readonly BareForm[], defaults: Partial<RunSettings> = {}): Command {
  return withPrewritten(withRun(command, defaults))
    .option('--count <records>', 'end each window after so many records, or the duration', integer(1, 1e12))
    .option('--brokers <count>', 'brokers of a cluster, which is then compared with one broker by itself', integer(1, 9),
      RUN_DEFAULTS.brokers)
    .option('--no-sluice', 'measure the bare loop alone')
    .addOption(new Option('--bare <forms>', `forms of the bare loop, of ${BARE_FORMS.join(', ')}`)
      .argParser(bareForms).default(bare, bare.join(',')))
    .option('--no-bare', 'measure Sluice alone')
    .option('--profile <folder>', 'write processor profiles of broker and client there')
}

/** Adds how much is written ahead where blocks are to be written over. */
export function withPrewritten (command: Command): Command {
  return command.option('--prewritten <bytes>', 'bytes that are written ahead where blocks are written over',
    integer(256 * 1024, 2 ** 40), RUN_DEFAULTS.prewrittenBytes)
}

/** The settings of a run, of its options. */
export function settingsOf (options: RunOptions & Partial<BareOptions & PrewrittenOptions>): RunSettings {
  return {
    rounds: options.rounds,
    warmupMs: options.warmup,
    durationMs: options.duration,
    count: options.count ?? null,
    sluice: options.sluice ?? true,
    bare: options.bare === undefined || options.bare === false ? [] : options.bare,
    prewrittenBytes: options.prewritten ?? RUN_DEFAULTS.prewrittenBytes,
    folder: options.folder,
    brokerOptions: options.brokerOption,
    brokers: options.brokers ?? RUN_DEFAULTS.brokers,
    profileDirectory: options.profile,
    onProgress,
  }
}

/** Says on a terminal what is going on. It is called between windows, never in one. */
export function onProgress (message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${message}\n`)
}

/** Prints a result as it was asked for. */
export async function print (result: unknown, table: string, { output, out }: OutputOptions): Promise<void> {
  const json = `${JSON.stringify(result, null, 2)}\n`
  if (out !== undefined) await writeText(out, json)
  process.stdout.write(output === 'json' ? json : `${table}\n`)
}

/** Writes a file that the user has named. @throws BenchError as a rejection, saying what to do. */
export async function writeText (path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content)
  } catch (error) {
    throw new BenchError(1, `${path} cannot be written: ${(error as Error).message}; name a file in a folder that exists`)
  }
}

export function integer (min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

export function batch (text: string): number | null {
  return text === 'auto' ? null : integer(1, 1_000_000)(text)
}

export function duration (text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('It must be a duration such as 500ms, 3s or 1m.')
  return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000 } as Record<string, number>)[match[2]!]!
}

/** A duration that is not nothing. */
export function positive (text: string): number {
  const ms = duration(text)
  if (ms < 1) throw new InvalidArgumentError('It must be 1ms or more.')
  return ms
}

/** Parser of a list, of what another parser takes, with commas between. */
export function listOf<Value> (parse: (text: string) => Value): (text: string) => Value[] {
  return text => [...new Set(text.split(',').map(item => parse(item.trim())))]
}

/** Parser of one of several words. */
export function oneOf<Word extends string> (words: readonly Word[]): (text: string) => Word {
  return text => {
    if (!words.includes(text as Word)) throw new InvalidArgumentError(`It must be of ${words.join(', ')}.`)
    return text as Word
  }
}

function bareForms (text: string): BareForm[] {
  return listOf(oneOf(BARE_FORMS))(text)
}

function brokerOption (text: string, before: Record<string, string>): Record<string, string> {
  const separator = text.indexOf('=')
  if (separator < 1) throw new InvalidArgumentError('It must be NAME=VALUE.')
  return { ...before, [text.slice(0, separator)]: text.slice(separator + 1) }
}

function text (ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
