// The broker as a process: options in, exit code out. The only file of this package that touches `process`.
//
//   exit 0   stopped by SIGTERM or SIGINT, everything synced
//   exit 1   could not start, could not close everything, was told twice to stop, or met a fault that leaves its state
//            in doubt
//   exit 2   options that make no sense

import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import pretty from 'pino-pretty'
import { Broker } from './broker.js'
import { ConfigError, parseConfig, unknownVariables, type BrokerConfig, type OptionTexts } from './config.js'
import { StartAbortedError } from './control/when-available.js'
import type { Logger } from './runtime/logger.js'
import { startFailureText } from './start-failure.js'

export interface BrokerProcessOptions {
  /** Options from the command line, by name. */
  flags: OptionTexts
  /** Configuration file (JSON), if one was named. */
  configFile?: string
  /** Print the options in force with their sources and do nothing else. */
  printConfig?: boolean
  /** Called when the broker serves, for who wants to look at it from inside the process. */
  onReady?: (broker: Broker) => void
  /** How long a disk that hangs may hold up the end of the process after `shutdown-timeout`, in ms. Default 30,000. */
  closeTimeoutMs?: number
}

/** Closing the logs may take so long after `shutdown-timeout`, in ms; then the process ends all the same. */
const CLOSE_TIMEOUT_MS = 30_000

/** Runs a broker until it is told to stop; resolves with the exit code of the process. */
export async function runBrokerProcess (options: BrokerProcessOptions): Promise<number> {
  let config: BrokerConfig
  try {
    const given = options.configFile === undefined ? {} : await readConfigFile(options.configFile)
    const file = options.printConfig === true ? { data: '(not set)', ...given } : given
    config = parseConfig({ flags: options.flags, environment: process.env, file })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const fault of error.faults) process.stderr.write(`sluice broker: ${fault}\n`)
    process.stderr.write('sluice broker: see sluice broker --help for all options\n')
    return 2
  }
  for (const name of unknownVariables(process.env)) {
    process.stderr.write(`sluice broker: warning: the environment variable ${name} names no option; see sluice broker --help\n`)
  }
  if (options.printConfig === true) {
    printConfig(config)
    return 0
  }
  return await run(config, makeLogger(config), options)
}

async function run (
  config: BrokerConfig, logger: Logger, { onReady, closeTimeoutMs = CLOSE_TIMEOUT_MS }: BrokerProcessOptions,
): Promise<number> {
  // Before the start, which may take a while: a signal then stops in order what has just started.
  const signalled = stopSignal(logger)
  process.on('uncaughtException', error => die(logger, error))
  process.on('unhandledRejection', error => die(logger, error))
  // Whoever has started the broker may have stopped listening to it.
  process.stdout.on('error', () => {})
  const abort = new AbortController()
  signalled.then(() => abort.abort())
  let broker: Broker
  try {
    broker = await Broker.start(config, { logger, signal: abort.signal })
  } catch (error) {
    if (error instanceof StartAbortedError) {
      logger.info({}, 'stopped')
      return 0
    }
    const text = startFailureText(error)
    if (text === null) logger.error({ err: error }, 'the broker met a fault and could not start; please report this')
    else process.stderr.write(`sluice broker: ${text}\n`)
    return 1
  }
  const { host, port } = broker.address
  process.stdout.write(`sluice broker ${broker.services.brokerId} ready on ${host}:${port}, data in ${config.data}, pid ${process.pid}\n`)
  onReady?.(broker)
  const signal = await signalled
  logger.info({ signal }, 'stopping')
  const limit = setTimeout(() => {
    logger.error({ data: config.data },
      'the disk does not answer, so not everything could be closed; the next start recovers what was acknowledged')
    process.exit(1)
  }, config.shutdownTimeoutMs + closeTimeoutMs)
  try {
    await broker.stop()
  } catch (error) {
    logger.error({ err: error }, 'stopped, but not everything could be closed; the next start recovers what was acknowledged')
    return 1
  } finally {
    clearTimeout(limit)
  }
  logger.info({}, 'stopped')
  return 0
}

/** The first signal to stop. A second one ends the process at once: what was acknowledged is on the disk. */
function stopSignal (logger: Logger): Promise<string> {
  return new Promise(resolve => {
    let count = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (++count === 1) return resolve(signal)
        logger.warn({ signal }, 'told to stop again; ending at once')
        process.exit(1)
      })
    }
  })
}

/** State in doubt: what is on disk is sound and the next start recovers it, so stop at once. */
function die (logger: Logger, error: unknown): never {
  logger.error({ err: error }, 'the broker met a fault that leaves its state in doubt and stops; restart it, and report this')
  process.exit(1)
}

async function readConfigFile (path: string): Promise<OptionTexts> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new ConfigError([`configuration file ${path} cannot be read: ${(error as Error).message}`])
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError([`configuration file ${path} must hold a JSON object of options`])
  }
  const faults = Object.entries(value)
    .filter(([, text]) => !['string', 'number', 'boolean'].includes(typeof text))
    .map(([name]) => `configuration file ${path}: ${name} must be a text or a number, as on the command line`)
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

function printConfig (config: BrokerConfig): void {
  const width = Math.max(...config.settings.map(({ name }) => name.length))
  for (const { name, value, source } of config.settings) {
    process.stdout.write(`${name.padEnd(width)}  ${value === '' ? '""' : value}  (${source})\n`)
  }
}

function makeLogger (config: BrokerConfig): Logger {
  const { logLevel: level, logFormat } = config
  const readable = logFormat === 'pretty' || (logFormat === 'auto' && process.stderr.isTTY)
  // Synchronous: the last words of a dying broker matter most.
  const destination = readable
    ? pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' })
    : pino.destination({ dest: 2, sync: true })
  return pino({ level, timestamp: pino.stdTimeFunctions.isoTime, base: { broker: config.id } }, destination)
}
