// Workload files in the shape of the OpenMessaging Benchmark: flat YAML, one `name: value` a line, or a JSON object.
//
//   name: 1 topic, 16 partitions, 1 kB
//   topics: 1
//   partitionsPerTopic: 16
//   messageSize: 1024
//   keyDistributor: KEY_ROUND_ROBIN
//   subscriptionsPerTopic: 1
//   consumerPerSubscription: 4
//   producersPerTopic: 4
//   producerRate: 50000          0: find the highest that is sustained
//   consumerBacklogSizeGB: 0     more: how long a group takes to catch up with that
//   testDurationMinutes: 5
//   warmupDurationMinutes: 1
//
// Names that this program does not know are refused: a setting that is left out in silence makes figures that lie.
// `payloadFile` and the settings of random payloads are known and without effect: values are always random letters.

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { BenchError } from '../bench-error.js'
import type { BacklogWorkload, KeyDistribution, MessagingWorkload } from '../workload.js'

/** What a file asks for. */
export type PlannedWork =
  | { readonly kind: 'rate', readonly workload: MessagingWorkload }
  | { readonly kind: 'find-rate', readonly workload: Omit<MessagingWorkload, 'rate'> }
  | { readonly kind: 'backlog', readonly workload: BacklogWorkload }

export interface WorkloadFile {
  readonly title: string
  readonly work: PlannedWork
  readonly warmupMs: number
  readonly durationMs: number
}

/** Names, ranges and defaults of the numbers. */
const NUMBERS = {
  topics: { min: 1, max: 1_000, fallback: 1 },
  partitionsPerTopic: { min: 1, max: 10_000, fallback: 1 },
  messageSize: { min: 16, max: 1 << 20, fallback: 1024 },
  subscriptionsPerTopic: { min: 1, max: 100, fallback: 1 },
  consumerPerSubscription: { min: 1, max: 1_000, fallback: 1 },
  producersPerTopic: { min: 1, max: 1_000, fallback: 1 },
  producerRate: { min: 0, max: 10_000_000, fallback: 0 },
  consumerBacklogSizeGB: { min: 0, max: 1_000, fallback: 0 },
  testDurationMinutes: { min: 0.001, max: 1_440, fallback: 1 },
  warmupDurationMinutes: { min: 0, max: 1_440, fallback: 0.1 },
} as const

/** Numbers that need not be whole. */
const FRACTIONS: ReadonlySet<string> = new Set(['consumerBacklogSizeGB', 'testDurationMinutes', 'warmupDurationMinutes'])

const KEY_DISTRIBUTORS: Readonly<Record<string, KeyDistribution>> = {
  NO_KEY: 'none', KEY_ROUND_ROBIN: 'round-robin', RANDOM_NANO: 'random',
}

const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'payloadFile', 'useRandomizedPayloads', 'randomBytesRatio', 'randomizedPayloadPoolSize',
])

const GIGABYTE = 1e9
const BACKLOG_BATCH_RECORDS = 1_000

type Fields = Readonly<Record<string, string | number | boolean | null>>

/** Reads a workload file. @throws BenchError naming the file, the line or field, and what is allowed. */
export async function readWorkloadFile (path: string): Promise<WorkloadFile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new BenchError(2, `${path} cannot be read: ${(error as Error).message}`)
  }
  return parseWorkload(text, path)
}

/** As {@link readWorkloadFile}, of a text. @param path for messages. */
export function parseWorkload (text: string, path: string): WorkloadFile {
  const fields = text.trimStart().startsWith('{') ? parseJson(text, path) : parseFlatYaml(text, path)
  for (const name of Object.keys(fields)) {
    if (Object.hasOwn(NUMBERS, name) || WITHOUT_EFFECT.has(name) || ['name', 'keyDistributor'].includes(name)) continue
    throw new BenchError(2, `${path}: ${name} is not known; known are name, keyDistributor, ${Object.keys(NUMBERS).join(', ')}`)
  }
  const number = (name: keyof typeof NUMBERS): number => numberOf(fields, name, path)
  const shape = {
    name: 'messaging' as const,
    topics: number('topics'),
    partitionsPerTopic: number('partitionsPerTopic'),
    size: number('messageSize'),
    keys: keysOf(fields, path),
    producersPerTopic: number('producersPerTopic'),
    subscriptionsPerTopic: number('subscriptionsPerTopic'),
    consumersPerSubscription: number('consumerPerSubscription'),
    flush: 'sync' as const,
  }
  return {
    title: String(fields.name ?? basename(path)),
    work: plan(shape, number('producerRate'), number('consumerBacklogSizeGB') * GIGABYTE, path),
    warmupMs: number('warmupDurationMinutes') * 60_000,
    durationMs: number('testDurationMinutes') * 60_000,
  }
}

function plan (shape: Omit<MessagingWorkload, 'rate'>, rate: number, backlogBytes: number, path: string): PlannedWork {
  if (backlogBytes === 0) {
    return rate === 0 ? { kind: 'find-rate', workload: shape } : { kind: 'rate', workload: { ...shape, rate } }
  }
  const single = ['topics', 'subscriptionsPerTopic', 'consumersPerSubscription', 'producersPerTopic'] as const
  if (rate === 0 || single.some(name => shape[name] !== 1)) {
    throw new BenchError(2, `${path}: a backlog (consumerBacklogSizeGB) needs a producerRate above 0, and one topic, producer, ` +
      'subscription and consumer')
  }
  return {
    kind: 'backlog',
    workload: {
      name: 'backlog',
      size: shape.size,
      batch: BACKLOG_BATCH_RECORDS,
      backlog: Math.max(1, Math.round(backlogBytes / shape.size)),
      rate,
      partitions: shape.partitionsPerTopic,
    },
  }
}

function numberOf (fields: Fields, name: keyof typeof NUMBERS, path: string): number {
  const { min, max, fallback } = NUMBERS[name]
  const value = fields[name] ?? fallback
  const whole = FRACTIONS.has(name) ? '' : 'whole '
  if (typeof value !== 'number' || value < min || value > max || (whole !== '' && !Number.isInteger(value))) {
    throw new BenchError(2, `${path}: ${name} must be a ${whole}number from ${min} to ${max}, not ${JSON.stringify(value)}`)
  }
  return value
}

function keysOf ({ keyDistributor = 'NO_KEY' }: Fields, path: string): KeyDistribution {
  const name = String(keyDistributor)
  if (Object.hasOwn(KEY_DISTRIBUTORS, name)) return KEY_DISTRIBUTORS[name]!
  throw new BenchError(2, `${path}: keyDistributor must be of ${Object.keys(KEY_DISTRIBUTORS).join(', ')}, not ${JSON.stringify(keyDistributor)}`)
}

function parseJson (text: string, path: string): Fields {
  try {
    return JSON.parse(text) as Fields
  } catch (error) {
    throw new BenchError(2, `${path} is no JSON: ${(error as Error).message}`)
  }
}

/** Lines of `name: value`; comments, blank lines and a leading `---` are skipped. */
function parseFlatYaml (text: string, path: string): Fields {
  const fields: Record<string, string | number | boolean | null> = {}
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#.*)?$/.test(line) || line.trim() === '---') continue
    const match = /^(\w+):(?:\s+(.*))?$/.exec(line)
    if (match === null) {
      throw new BenchError(2, `${path}:${index + 1}: "name: value" was due; nested values and lists are not known here`)
    }
    const [, name, raw = ''] = match
    if (Object.hasOwn(fields, name!)) throw new BenchError(2, `${path}:${index + 1}: ${name} comes twice`)
    fields[name!] = scalar(raw)
  }
  return fields
}

function scalar (raw: string): string | number | boolean | null {
  const quoted = /^(["'])(.*)\1\s*(?:#.*)?$/.exec(raw)
  if (quoted !== null) return quoted[2]!
  const text = raw.replace(/(?:^|\s+)#.*$/, '').trim()
  if (/^-?\d+(?:\.\d+)?(?:[eE]\d+)?$/.test(text)) return Number(text)
  if (text === '' || text === 'null' || text === '~') return null
  return text === 'true' || text === 'false' ? text === 'true' : text
}
