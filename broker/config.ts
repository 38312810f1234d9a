// The broker's options: one table from which the command line, the environment, the configuration file, validation,
// `--print-config` and the documentation come.
//
// A value is taken from the first of: flag (`--max-connections 100`), environment (`SLUICE_MAX_CONNECTIONS=100`),
// configuration file (JSON, `{ "max-connections": 100 }`), default.

import { parseQuantity, quantityFault, type SettingRow } from './control/setting-row.js'
import { parseOverrides } from './control/topic-record.js'

/** What kind of text an option takes. Durations and sizes may have units: `30s`, `64MiB`. */
export type OptionKind = 'text' | 'name' | 'address' | 'etcd' | 'integer' | 'bytes' | 'duration' | 'choice' | 'settings'

export type OptionRow = SettingRow<OptionKind>

const MiB = 1024 * 1024
const HOUR = 3_600_000
const DAY = 24 * HOUR

export const OPTIONS = {
  data: { kind: 'text', default: '', doc: 'Folder that holds everything the broker stores; made where it is missing.' },
  listen: { kind: 'address', default: '127.0.0.1:7400', doc: 'Address and port to listen on; port 0 takes a free one, host 0.0.0.0 all interfaces.' },
  advertise: { kind: 'address', default: '', doc: 'Address and port that clients are told; empty for that of `listen`, or the host name where that is 0.0.0.0.' },
  'advertise-peers': { kind: 'address', default: '', doc: 'Address and port that the other brokers of the cluster are told; empty for that of `advertise`. To be set where clients are told the address of a load balancer.' },
  id: { kind: 'integer', default: '1', min: 0, max: 2 ** 31 - 1, doc: 'Id of this broker; it belongs to the data folder from its first start on.' },
  rack: { kind: 'text', default: '', doc: 'Label of the rack or zone, told to clients.' },
  control: { kind: 'etcd', default: '', doc: 'Members of the etcd that holds what a cluster shares; `etcds://` by TLS. Empty for a single broker, which keeps it in its data folder.' },
  cluster: { kind: 'name', default: 'main', doc: 'Name of the cluster in etcd, which several clusters may share.' },
  'control-user': { kind: 'text', default: '', doc: 'User of the broker in etcd; empty where etcd asks for none.' },
  'control-password-file': { kind: 'text', default: '', doc: 'File with the password of that user.' },
  'control-ca': { kind: 'text', default: '', doc: 'PEM file with the certificate authorities that etcd is trusted by, instead of those of the system; with it connections are by TLS.' },
  'control-cert': { kind: 'text', default: '', doc: 'PEM file with the certificate that the broker shows to etcd.' },
  'control-key': { kind: 'text', default: '', doc: 'PEM file with the private key of that certificate.' },
  capacity: { kind: 'integer', default: '100', min: 1, max: 10_000, doc: 'Share of replicas that this broker is to hold, in proportion to that of the others of its cluster.' },
  'default-partitions': { kind: 'integer', default: '1', min: 1, max: 10_000, doc: 'Partitions of a topic that is created without saying how many.' },
  'max-connections': { kind: 'integer', default: '10000', min: 1, max: 1_000_000, doc: 'Client connections at once; more are turned away with BUSY.' },
  'max-frame-bytes': { kind: 'bytes', default: String(16 * MiB), min: 64 * 1024, max: 128 * MiB, doc: 'Largest request or response.' },
  'max-in-flight-requests': { kind: 'integer', default: '1024', min: 1, max: 1_000_000, doc: 'Requests of one connection that may be unanswered; past it its socket is not read.' },
  'max-in-flight-bytes': { kind: 'bytes', default: String(32 * MiB), min: 1 * MiB, max: 4096 * MiB, doc: 'Bytes of unanswered requests of one connection; past it its socket is not read.' },
  'max-held-bytes': { kind: 'bytes', default: String(64 * MiB), min: 1 * MiB, max: 64 * 1024 * MiB, doc: 'Bytes of incomplete requests over all connections; past it sockets are not read.' },
  'max-unsent-bytes': { kind: 'bytes', default: String(64 * MiB), min: 16 * MiB, max: 64 * 1024 * MiB, doc: 'Bytes of responses over all connections that clients have not taken; past it fetches wait.' },
  'max-unwritten-bytes': { kind: 'bytes', default: String(64 * MiB), min: 16 * MiB, max: 64 * 1024 * MiB, doc: 'Bytes over all partitions that are appended and not written to disk yet; past it produce is answered with BUSY.' },
  'tail-cache-bytes': { kind: 'bytes', default: String(64 * MiB), min: 1 * MiB, max: 64 * 1024 * MiB, doc: 'Newest records kept in memory over all partitions, so that readers near the end never wait for the disk.' },
  'open-files': { kind: 'integer', default: '512', min: 16, max: 1_000_000, doc: 'Segment files open at once; the ones unused longest are closed.' },
  'checkpoint-interval': { kind: 'duration', default: '2000', min: 100, max: 600_000, doc: 'How often what a quick start needs is noted.' },
  'retention-interval': { kind: 'duration', default: '30000', min: 100, max: DAY, doc: 'How often old segments are looked for.' },
  'compaction-interval': { kind: 'duration', default: '30000', min: 100, max: DAY, doc: 'How often compacted topics are looked at.' },
  'background-concurrency': { kind: 'integer', default: '2', min: 1, max: 64, doc: 'Background jobs (retention, compaction) at once.' },
  'producer-expiry': { kind: 'duration', default: String(7 * DAY), min: 60_000, max: 365 * DAY, doc: 'A producer that is silent for so long is forgotten; its next batch is answered with UNKNOWN_PRODUCER.' },
  'group-session-timeout-min': { kind: 'duration', default: '1000', min: 100, max: HOUR, doc: 'Shortest session timeout that a group member may ask for.' },
  'group-session-timeout-max': { kind: 'duration', default: String(HOUR / 2), min: 1000, max: DAY, doc: 'Longest session timeout that a group member may ask for.' },
  'shutdown-timeout': { kind: 'duration', default: '10000', min: 100, max: 600_000, doc: 'How long a stop may take to answer what is in flight before connections are cut.' },
  'log-level': { kind: 'choice', default: 'info', choices: ['debug', 'info', 'warn', 'error', 'silent'], doc: 'Least level of what is logged, on standard error.' },
  'log-format': { kind: 'choice', default: 'auto', choices: ['auto', 'json', 'pretty'], doc: '`json` a line; `pretty` for people; `auto` is pretty on a terminal.' },
  'topic-defaults': { kind: 'settings', default: '', doc: 'Topic settings for topics that do not set them: `retention.ms=1d,flush=interval`.' },
} as const satisfies Record<string, OptionRow>

export type OptionName = keyof typeof OPTIONS
export type OptionSource = 'default' | 'file' | 'environment' | 'flag'

/** Names of all options. */
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[]

/** Where an etcd is. */
export interface EtcdAddresses {
  readonly tls: boolean
  readonly endpoints: readonly { readonly host: string, readonly port: number }[]
}

/** The options with their types. Durations are milliseconds, sizes bytes. */
export interface BrokerConfig {
  readonly data: string
  readonly listen: { readonly host: string, readonly port: number }
  readonly advertise: { readonly host: string, readonly port: number } | null
  readonly advertisePeers: { readonly host: string, readonly port: number } | null
  readonly id: number
  readonly rack: string
  readonly capacity: number
  /** Null for a single broker. */
  readonly control: EtcdAddresses | null
  readonly cluster: string
  readonly controlUser: string
  readonly controlPasswordFile: string
  readonly controlCa: string
  readonly controlCert: string
  readonly controlKey: string
  readonly defaultPartitions: number
  readonly maxConnections: number
  readonly maxFrameBytes: number
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  readonly maxHeldBytes: number
  readonly maxUnsentBytes: number
  readonly maxUnwrittenBytes: number
  readonly tailCacheBytes: number
  readonly openFiles: number
  readonly checkpointIntervalMs: number
  readonly retentionIntervalMs: number
  readonly compactionIntervalMs: number
  readonly backgroundConcurrency: number
  readonly producerExpiryMs: number
  readonly groupSessionTimeoutMsMin: number
  readonly groupSessionTimeoutMsMax: number
  readonly shutdownTimeoutMs: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly logFormat: 'auto' | 'json' | 'pretty'
  readonly topicDefaults: Readonly<Record<string, string>>
  /** Every option as text with its source, for `--print-config` and describeBroker. */
  readonly settings: readonly { name: OptionName, value: string, source: OptionSource }[]
}

/** Options that make no sense. The message has a line per fault. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** Texts of options by name, from one source. */
export type OptionTexts = Readonly<Record<string, string | undefined>>

/** Name of the environment variable of an option. */
export function environmentName (name: string): string {
  return `SLUICE_${name.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Puts the options together.
 *
 * @throws ConfigError with every fault there is.
 */
export function parseConfig (
  sources: { flags?: OptionTexts, environment?: OptionTexts, file?: OptionTexts },
): BrokerConfig {
  const { flags = {}, environment = {}, file = {} } = sources
  const faults: string[] = []
  for (const [texts, where] of [[flags, 'flag --'], [file, 'configuration file: ']] as const) {
    for (const name of Object.keys(texts)) {
      if (!Object.hasOwn(OPTIONS, name)) faults.push(`${where}${name} is not an option; known are ${OPTION_NAMES.join(', ')}`)
    }
  }
  const settings = OPTION_NAMES.map(name => {
    // An empty variable is one that is not set, as in `SLUICE_RACK= sluice broker`.
    const variable = environment[environmentName(name)] || undefined
    const given: [string | undefined, OptionSource][] =
      [[flags[name], 'flag'], [variable, 'environment'], [file[name], 'file'], [OPTIONS[name].default, 'default']]
    const [value, source] = given.find(([text]) => text !== undefined) as [string, OptionSource]
    return { name, value, source }
  })
  const values = new Map<OptionName, unknown>()
  for (const { name, value, source } of settings) {
    const parsed = parseOption(name, value)
    if ('fault' in parsed) faults.push(`${parsed.fault} (from ${describeSource(name, source)})`)
    else values.set(name, parsed.value)
  }
  if (settings.find(setting => setting.name === 'data')!.value === '') {
    faults.push('data is missing: name the folder for the data with --data DIR or SLUICE_DATA')
  }
  faults.push(...controlFaults(name => settings.find(setting => setting.name === name)!.value))
  const sessionMin = values.get('group-session-timeout-min') as number
  const sessionMax = values.get('group-session-timeout-max') as number
  if (sessionMin > sessionMax) faults.push('group-session-timeout-min is above group-session-timeout-max')
  if (faults.length > 0) throw new ConfigError(faults)
  return { ...typed(values), settings }
}

/** Variables of other commands. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['SLUICE_BROKERS'])

/** Environment variables that look like options and are none: misspelt, most likely. */
export function unknownVariables (environment: OptionTexts): string[] {
  const known = new Set(OPTION_NAMES.map(environmentName))
  return Object.keys(environment)
    .filter(name => name.startsWith('SLUICE_') && !known.has(name) && !OTHER_VARIABLES.has(name)).sort()
}

function describeSource (name: string, source: OptionSource): string {
  switch (source) {
    case 'flag': return `--${name}`
    case 'environment': return environmentName(name)
    case 'file': return 'the configuration file'
    case 'default': return 'its default'
  }
}

function parseOption (name: OptionName, text: string): { value: unknown } | { fault: string } {
  const row: OptionRow = OPTIONS[name]
  switch (row.kind) {
    case 'text': return { value: text }
    case 'name':
      if (/^[\w.-]{1,64}$/.test(text)) return { value: text }
      return { fault: `${name} is ${JSON.stringify(text)}; it must be 1 to 64 letters, digits, dots, dashes and underscores` }
    case 'etcd': {
      const addresses = text === '' ? null : parseEtcdAddresses(text)
      if (addresses !== undefined) return { value: addresses }
      return { fault: `${name} is ${JSON.stringify(text)}; it must be etcd://HOST:PORT,HOST:PORT or etcds://… (by TLS), such as etcd://127.0.0.1:2379` }
    }
    case 'choice':
      if (row.choices!.includes(text)) return { value: text }
      return { fault: `${name} is ${JSON.stringify(text)}; it must be one of ${row.choices!.join(', ')}` }
    case 'address': {
      const address = text === '' && row.default === '' ? null : parseAddress(text)
      if (address !== undefined) return { value: address }
      return { fault: `${name} is ${JSON.stringify(text)}; it must be HOST:PORT with a port of 0 to 65535, such as 127.0.0.1:7400` }
    }
    case 'settings': return parseSettings(name, text)
    case 'integer':
    case 'bytes':
    case 'duration': {
      const value = parseQuantity(row.kind, text)
      if (value !== null && value >= row.min! && value <= row.max!) return { value }
      return { fault: quantityFault(name, text, row) }
    }
  }
}

/** HOST:PORT, IPv6 hosts in brackets; undefined where it is none. */
export function parseAddress (text: string): { host: string, port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/i.exec(text)
  if (match === null || Number(match[3]) > 65535) return undefined
  return { host: (match[1] ?? match[2])!, port: Number(match[3]) }
}

/** etcd://HOST:PORT,HOST:PORT; undefined where it is none. */
function parseEtcdAddresses (text: string): EtcdAddresses | undefined {
  const match = /^(etcds?):\/\/(.+?)\/?$/.exec(text)
  const endpoints = match?.[2]!.split(',').map(parseAddress) ?? []
  if (match === null || !endpoints.every(endpoint => endpoint !== undefined && endpoint.port > 0)) return undefined
  return { tls: match[1] === 'etcds', endpoints: endpoints as EtcdAddresses['endpoints'] }
}

/** What options for etcd contradict together. */
function controlFaults (textOf: (name: OptionName) => string): string[] {
  const faults: string[] = []
  for (const [one, other] of [['control-user', 'control-password-file'], ['control-cert', 'control-key']] as const) {
    if ((textOf(one) === '') !== (textOf(other) === '')) faults.push(`${one} and ${other} go together: set both or neither`)
  }
  const names = ['control-user', 'control-ca', 'control-cert'] as const
  const idle = names.find(name => textOf(name) !== '')
  if (textOf('control') === '' && idle !== undefined) faults.push(`${idle} is set and control is not: name the etcd with --control etcd://HOST:PORT`)
  return faults
}

function parseSettings (name: string, text: string): { value: Record<string, string> } | { fault: string } {
  const given: Record<string, string> = {}
  for (const part of text.split(',').map(item => item.trim()).filter(item => item !== '')) {
    const separator = part.indexOf('=')
    if (separator < 1) return { fault: `${name} has ${JSON.stringify(part)}; write it as setting=value` }
    given[part.slice(0, separator)] = part.slice(separator + 1)
  }
  const parsed = parseOverrides('stream', given)
  return 'fault' in parsed ? { fault: `${name}: ${parsed.fault}` } : { value: parsed.overrides }
}

function typed (values: ReadonlyMap<OptionName, unknown>): Omit<BrokerConfig, 'settings'> {
  const value = <T>(name: OptionName): T => values.get(name) as T
  return {
    data: value('data'),
    listen: value('listen'),
    advertise: value('advertise'),
    advertisePeers: value('advertise-peers'),
    id: value('id'),
    rack: value('rack'),
    capacity: value('capacity'),
    control: value('control'),
    cluster: value('cluster'),
    controlUser: value('control-user'),
    controlPasswordFile: value('control-password-file'),
    controlCa: value('control-ca'),
    controlCert: value('control-cert'),
    controlKey: value('control-key'),
    defaultPartitions: value('default-partitions'),
    maxConnections: value('max-connections'),
    maxFrameBytes: value('max-frame-bytes'),
    maxInFlightRequests: value('max-in-flight-requests'),
    maxInFlightBytes: value('max-in-flight-bytes'),
    maxHeldBytes: value('max-held-bytes'),
    maxUnsentBytes: value('max-unsent-bytes'),
    maxUnwrittenBytes: value('max-unwritten-bytes'),
    tailCacheBytes: value('tail-cache-bytes'),
    openFiles: value('open-files'),
    checkpointIntervalMs: value('checkpoint-interval'),
    retentionIntervalMs: value('retention-interval'),
    compactionIntervalMs: value('compaction-interval'),
    backgroundConcurrency: value('background-concurrency'),
    producerExpiryMs: value('producer-expiry'),
    groupSessionTimeoutMsMin: value('group-session-timeout-min'),
    groupSessionTimeoutMsMax: value('group-session-timeout-max'),
    shutdownTimeoutMs: value('shutdown-timeout'),
    logLevel: value('log-level'),
    logFormat: value('log-format'),
    topicDefaults: value('topic-defaults'),
  }
}
