// Commands as all of them are made, and the options that several share.

import { Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from './quantities.js'
import { ROW_FORMATS, type RowFormat } from './rows.js'

/** Address of the broker where neither flag nor environment says one. */
export const DEFAULT_BROKERS = '127.0.0.1:7400'

/** Options of every command that talks to a broker. */
export interface BrokerOptions {
  /** Addresses to begin with. */
  brokers: string[]
  /** How long an answer may take, in milliseconds. */
  timeout: number
}

/** Options of every command that prints data. */
export interface OutputOptions { output: RowFormat }

/** A command whose help begins with real examples and whose mistakes throw instead of ending the process. */
export function newCommand (name: string, description: string, examples: readonly string[]): Command {
  const command = new Command(name).description(description).exitOverride().allowExcessArguments(false)
  command.configureOutput({ writeErr: () => {} })
  command.showSuggestionAfterError()
  command.addHelpText('before', `Examples:\n${examples.map(example => `  ${example}\n`).join('')}`)
  return command
}

/** Adds `--brokers` and `--timeout`. */
export function withBrokers (command: Command): Command {
  return command
    .addOption(new Option('--brokers <addresses>', 'addresses to begin with, HOST:PORT, with commas between')
      .env('SLUICE_BROKERS').default([DEFAULT_BROKERS], DEFAULT_BROKERS).argParser(parseBrokers))
    .addOption(new Option('--timeout <duration>', 'how long an answer may take, such as 500ms or 10s')
      .default(10_000, '10s').argParser(durationOption))
}

/** Adds `-o`. */
export function withOutput (command: Command): Command {
  return command.addOption(new Option('-o, --output <format>', 'how data is printed')
    .choices(ROW_FORMATS).default('table'))
}

/** Adds `--dry-run` and `--yes`, for what destroys. */
export function withConfirmation (command: Command): Command {
  return command
    .option('--dry-run', 'say what would be done and do nothing')
    .option('-y, --yes', 'do not ask; needed where standard input is not a terminal')
}

/** Parser of options that are durations. */
export function durationOption (text: string): number {
  const ms = parseDuration(text)
  if (ms === null || ms < 1) throw new InvalidArgumentError('It must be a duration such as 500ms, 10s or 5m.')
  return ms
}

/** Parser of options that are durations within a range, both ends included: `least` and `most` as people write them. */
export function durationBetween (least: string, most: string): (text: string) => number {
  const min = parseDuration(least)!
  const max = parseDuration(most)!
  return text => {
    const ms = parseDuration(text)
    if (ms === null || ms < min || ms > max) {
      throw new InvalidArgumentError(`It must be a duration from ${least} to ${most}, such as 30s or 1h30m.`)
    }
    return ms
  }
}

/** Parser of options that are a moment: ISO 8601, or milliseconds since 1970-01-01 UTC. */
export function timeOption (text: string): Date {
  const time = /^\d+$/.test(text) ? new Date(Number(text)) : new Date(text)
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('It must be a time such as 2026-12-24T18:00:00Z, or milliseconds since 1970.')
  }
  return time
}

/** Parser of options that are whole numbers from `min` to `max`. */
export function integerOption (min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
      throw new InvalidArgumentError(`It must be a whole number ${range}.`)
    }
    return value
  }
}

/** Parser of options that may be given several times, as NAME=VALUE. */
export function settingOption (text: string, given: Record<string, string> = {}): Record<string, string> {
  const separator = text.indexOf('=')
  if (separator < 1) throw new InvalidArgumentError('Write it as NAME=VALUE.')
  return { ...given, [text.slice(0, separator)]: text.slice(separator + 1) }
}

function parseBrokers (text: string): string[] {
  const addresses = text.split(',').map(address => address.trim()).filter(address => address !== '')
  if (addresses.length === 0) throw new InvalidArgumentError('It must be HOST:PORT, or several with commas between.')
  return addresses
}
