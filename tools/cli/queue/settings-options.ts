// The settings of a queue as options of `sluice queue create` and `alter`.
//
// The frequent ones have an option of their own; `--set` takes every setting by its name. Ranges are the broker's: it
// refuses what is outside of them and says the range.

import { InvalidArgumentError, Option, type Command } from 'commander'
import { CliError } from '../cli-error.js'
import { durationBetween, settingOption } from '../command.js'
import { EXIT } from '../exit-code.js'
import { parseDuration } from '../quantities.js'

/** Options that `withQueueSettings` adds. */
export interface QueueSettingOptions {
  visibility?: number
  maxAttempts?: string
  backoff?: { minMs: number, maxMs: number }
  ordered?: boolean
  order?: string
  poison?: string
  keyless?: string
  deadLetter?: string
  dedupScope?: string
  dedupWindow?: number
  maxInFlight?: string
  set: Record<string, string>
}

export function withQueueSettings (command: Command): Command {
  return command
    .option('--visibility <duration>', 'how long a consumer has for a record before others get it: 1s to 12h (default: 30s)',
      durationBetween('1s', '12h'))
    .option('--max-attempts <number>', 'failed attempts after which a record is given up: 1 to 1000 (default: 5)')
    .option('--backoff <range>', 'bounds of the growing random delay before the next attempt (default: 1s..5m)', backoffOption)
    .option('--ordered', 'hand out the records of a key one after the other; the same as --order key')
    .addOption(new Option('--order <mode>', 'what is handed out next').choices(['none', 'key', 'fair', 'priority']))
    .addOption(new Option('--poison <mode>', 'ordered: what a record that is given up does to its key')
      .choices(['dlq-one', 'dlq-key', 'hold']))
    .addOption(new Option('--keyless <mode>', 'ordered: what becomes of records without a key').choices(['refuse', 'unordered']))
    .option('--dead-letter <queue>', 'queue for records that are given up (default: they are dropped and counted)')
    .addOption(new Option('--dedup-scope <scope>', 'how long a dedup id is taken').choices(['window', 'until-settled']))
    .option('--dedup-window <duration>', 'scope window: for how long: 1s to 24h (default: 5m)', durationBetween('1s', '24h'))
    .option('--max-in-flight <number>', 'records leased at the same time, per partition: 1 to 1000000 (default: 20000)')
    .option('-s, --set <name=value>', 'any setting by its name, such as lease.total.ms=1h; may be given several times', settingOption, {})
}

/** The settings that were given, by name. @throws CliError with exit code 2 where two say different things. */
export function queueSettingsOf (options: QueueSettingOptions): Record<string, string> {
  if (options.ordered === true && options.order !== undefined && options.order !== 'key') {
    throw new CliError(EXIT.usage, `--ordered means --order key, and --order ${options.order} was given too: choose one`)
  }
  const named: Record<string, string | number | undefined> = {
    'visibility.ms': options.visibility,
    'max.attempts': options.maxAttempts,
    'backoff.min.ms': options.backoff?.minMs,
    'backoff.max.ms': options.backoff?.maxMs,
    order: options.ordered === true ? 'key' : options.order,
    poison: options.poison,
    keyless: options.keyless,
    'dead.letter': options.deadLetter,
    'dedup.scope': options.dedupScope,
    'dedup.window.ms': options.dedupWindow,
    'max.in.flight': options.maxInFlight,
  }
  const settings: Record<string, string> = { ...options.set }
  for (const [name, value] of Object.entries(named)) {
    if (value === undefined) continue
    if (settings[name] !== undefined && settings[name] !== String(value)) {
      throw new CliError(EXIT.usage, `${name} is given twice, as ${value} and by --set as ${settings[name]}: choose one`)
    }
    settings[name] = String(value)
  }
  return settings
}

function backoffOption (text: string): { minMs: number, maxMs: number } {
  const [min, max, ...rest] = text.split('..')
  const minMs = parseDuration(min ?? '')
  const maxMs = max === undefined ? minMs : parseDuration(max)
  if (minMs === null || maxMs === null || rest.length > 0) {
    throw new InvalidArgumentError('It must be a range of durations such as 1s..5m, or one for both.')
  }
  if (minMs > maxMs) throw new InvalidArgumentError(`It must not begin above its end: ${text}.`)
  return { minMs, maxMs }
}
