// The settings of a queue group: one table from which validation, defaults, descriptions and documentation come.
// Same shape as the table of topic settings.

import { topicNameFault } from '@sluice/protocol'
import { ORDER, type Order } from './queue-types.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export interface QueueSettingRow {
  readonly kind: 'integer' | 'duration' | 'choice' | 'text'
  /** Canonical text: a plain number, of milliseconds for durations, or one of the choices. */
  readonly default: string
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  readonly doc: string
}

export const QUEUE_SETTINGS = {
  'visibility.ms': {
    kind: 'duration',
    default: String(30 * SECOND),
    min: SECOND,
    max: 12 * HOUR,
    doc: 'How long a consumer has for a record before others get it; it can extend.',
  },
  'lease.total.ms': {
    kind: 'duration',
    default: String(12 * HOUR),
    min: SECOND,
    max: 24 * HOUR,
    doc: 'Longest time a record is leased in one delivery, with all extensions.',
  },
  'max.attempts': {
    kind: 'integer',
    default: '5',
    min: 1,
    max: 1_000,
    doc: 'Failed attempts (nack, timeout, disconnect) after which a record is given up.',
  },
  'backoff.min.ms': {
    kind: 'duration',
    default: String(SECOND),
    min: 0,
    max: HOUR,
    doc: 'Bound of the random delay before the second attempt; it doubles with each failure.',
  },
  'backoff.max.ms': {
    kind: 'duration',
    default: String(5 * MINUTE),
    min: 0,
    max: DAY,
    doc: 'Highest bound of the random delay before an attempt.',
  },
  'disconnect.grace.ms': {
    kind: 'duration',
    default: String(10 * SECOND),
    min: 0,
    max: 5 * MINUTE,
    doc: 'How long a session may be without a connection before its leases end.',
  },
  'session.timeout.ms': {
    kind: 'duration',
    default: String(10 * SECOND),
    min: SECOND,
    max: 5 * MINUTE,
    doc: 'A session that has sent no heartbeat for so long counts as disconnected.',
  },
  'max.in.flight': {
    kind: 'integer',
    default: '20000',
    min: 1,
    max: 1_000_000,
    doc: 'Records leased at the same time, per partition.',
  },
  order: {
    kind: 'choice',
    default: ORDER.none,
    choices: Object.values(ORDER),
    doc: '`none`: by offset, each record on its own. `key`: records of a key strictly one after the other. `fair`: keys take turns. `priority`: high priorities first, with ageing.',
  },
  'run.max': {
    kind: 'integer',
    default: '10',
    min: 1,
    max: 1_000,
    doc: 'With `order` `key`: consecutive records of a key handed to one session at once.',
  },
  poison: {
    kind: 'choice',
    default: 'dlq-one',
    choices: ['dlq-one', 'dlq-key', 'hold'],
    doc: 'With `order` `key`, what a record that is given up does to its key. `dlq-one`: the key goes on without it. `dlq-key`: all later records of the key follow it, in order, until the key is resumed. `hold`: the key stops until it is resumed.',
  },
  keyless: {
    kind: 'choice',
    default: 'refuse',
    choices: ['refuse', 'unordered'],
    doc: 'With `order` `key`, records without a key are refused, or each handed out on its own.',
  },
  'key.concurrency': {
    kind: 'integer',
    default: '0',
    min: 0,
    max: 1_000_000,
    doc: 'With `order` `fair`: records of a key leased at the same time; 0 for no bound.',
  },
  'key.rate': {
    kind: 'integer',
    default: '0',
    min: 0,
    max: 1_000_000,
    doc: 'With `order` `key` or `fair`: records of a key handed out per `key.rate.period.ms`, retries included; at most so many at once. 0 for no bound.',
  },
  'key.rate.period.ms': {
    kind: 'duration',
    default: String(SECOND),
    min: 100,
    max: DAY,
    doc: 'With `key.rate`: the time it is counted by.',
  },
  'priority.ageing.ms': {
    kind: 'duration',
    default: String(10 * SECOND),
    min: 10,
    max: DAY,
    doc: 'With `order` `priority`: a priority that has waited for so long counts as one higher, and so on.',
  },
  'dead.letter': {
    kind: 'text',
    default: '',
    doc: 'Name of the queue that takes the records that are given up; empty to drop them, counted.',
  },
  'ttl.action': {
    kind: 'choice',
    default: 'drop',
    choices: ['drop', 'dead-letter'],
    doc: 'What becomes of a record whose time to live is over.',
  },
  'dedup.scope': {
    kind: 'choice',
    default: 'window',
    choices: ['window', 'until-settled'],
    doc: 'How long a dedup id is taken: for a time, or until its record is terminal.',
  },
  'dedup.window.ms': {
    kind: 'duration',
    default: String(5 * MINUTE),
    min: SECOND,
    max: 24 * HOUR,
    doc: 'With `dedup.scope` `window`: for how long.',
  },
} as const satisfies Record<string, QueueSettingRow>

export type QueueSettingName = keyof typeof QUEUE_SETTINGS
/** Values of all settings, as text, in their canonical form. */
export type QueueSettings = Readonly<Record<QueueSettingName, string>>

const NAMES = Object.keys(QUEUE_SETTINGS) as QueueSettingName[]
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY }

/** Every setting at its default. */
export const DEFAULT_QUEUE_SETTINGS: QueueSettings =
  Object.fromEntries(NAMES.map(name => [name, QUEUE_SETTINGS[name].default])) as QueueSettings

/**
 * Checks one setting; durations may have a unit (`30s`).
 *
 * @returns the canonical text, or what is wrong with it, for people.
 */
export function parseQueueSetting (name: string, text: string): { value: string } | { fault: string } {
  const row: QueueSettingRow | undefined = Object.hasOwn(QUEUE_SETTINGS, name)
    ? QUEUE_SETTINGS[name as QueueSettingName]
    : undefined
  if (row === undefined) return { fault: `unknown setting ${JSON.stringify(name)}; known are ${NAMES.join(', ')}` }
  if (row.kind === 'text') {
    const fault = text === '' ? null : topicNameFault(text)
    return fault === null ? { value: text } : { fault: `${name}: ${fault}` }
  }
  if (row.kind === 'choice') {
    if (row.choices!.includes(text)) return { value: text }
    return { fault: `${name} is ${JSON.stringify(text)}; it must be one of ${row.choices!.join(', ')}` }
  }
  const value = quantityOf(row.kind, text)
  if (value !== null && value >= row.min! && value <= row.max!) return { value: String(value) }
  const range = row.kind === 'duration' ? `${row.min} to ${row.max} ms` : `a whole number, ${row.min} to ${row.max}`
  return { fault: `${name} is ${JSON.stringify(text)}; it must be ${range}` }
}

function quantityOf (kind: 'integer' | 'duration', text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  if (match === null) return null
  const scale = match[2] === '' ? 1 : kind === 'duration' ? UNIT_MS[match[2]!.toLowerCase()] : undefined
  if (scale === undefined) return null
  const value = Number(match[1]) * scale
  return Number.isSafeInteger(value) ? value : null
}

const NOT_ABOVE: readonly (readonly [QueueSettingName, QueueSettingName])[] = [
  ['backoff.min.ms', 'backoff.max.ms'],
  ['visibility.ms', 'lease.total.ms'],
]
/** Bounds that would be silently without effect: somebody would rely on them. */
const ONLY_WITH: readonly (readonly [QueueSettingName, readonly Order[]])[] = [
  ['key.concurrency', [ORDER.fair]],
  ['key.rate', [ORDER.key, ORDER.fair]],
]

/** What settings that are each in range contradict together, for people; null where they agree. */
export function queueSettingsFault (settings: QueueSettings): string | null {
  const order = settings.order as Order
  for (const [name, boundName] of NOT_ABOVE) {
    const bound = settings[boundName]
    if (Number(settings[name]) > Number(bound)) {
      return `${name} is ${settings[name]}; it must be at most ${boundName}, which is ${bound}`
    }
  }
  for (const [name, orders] of ONLY_WITH) {
    if (settings[name] !== QUEUE_SETTINGS[name].default && !orders.includes(order)) {
      return `${name} is ${settings[name]}; with order ${order} it must be ${QUEUE_SETTINGS[name].default}: ` +
        `it is for order ${orders.join(' and ')}`
    }
  }
  if (settings['dead.letter'] === '') {
    if (settings.poison === 'dlq-key') return 'poison dlq-key needs a dead.letter queue'
    if (settings['ttl.action'] === 'dead-letter') return 'ttl.action dead-letter needs a dead.letter queue'
  }
  return null
}

/** The settings as the group uses them. Times in milliseconds. */
export interface QueueConfig {
  readonly visibilityMs: number
  readonly leaseTotalMs: number
  readonly maxAttempts: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  readonly disconnectGraceMs: number
  readonly sessionTimeoutMs: number
  readonly maxInFlight: number
  readonly order: Order
  readonly runMax: number
  readonly poison: 'dlq-one' | 'dlq-key' | 'hold'
  /** 0 for no bound. */
  readonly keyConcurrency: number
  /** Records of a key per `keyRatePeriodMs`; 0 for no bound. */
  readonly keyRate: number
  readonly keyRatePeriodMs: number
  readonly priorityAgeingMs: number
  readonly hasDeadLetters: boolean
  readonly deadLetterExpired: boolean
  readonly dedupUntilSettled: boolean
  readonly dedupWindowMs: number
}

/** @param settings each in range, and agreeing with each other */
export function queueConfigOf (settings: QueueSettings): QueueConfig {
  return {
    visibilityMs: Number(settings['visibility.ms']),
    leaseTotalMs: Number(settings['lease.total.ms']),
    maxAttempts: Number(settings['max.attempts']),
    backoffMinMs: Number(settings['backoff.min.ms']),
    backoffMaxMs: Number(settings['backoff.max.ms']),
    disconnectGraceMs: Number(settings['disconnect.grace.ms']),
    sessionTimeoutMs: Number(settings['session.timeout.ms']),
    maxInFlight: Number(settings['max.in.flight']),
    order: settings.order as Order,
    runMax: Number(settings['run.max']),
    poison: settings.poison as QueueConfig['poison'],
    keyConcurrency: Number(settings['key.concurrency']),
    keyRate: Number(settings['key.rate']),
    keyRatePeriodMs: Number(settings['key.rate.period.ms']),
    priorityAgeingMs: Number(settings['priority.ageing.ms']),
    hasDeadLetters: settings['dead.letter'] !== '',
    deadLetterExpired: settings['ttl.action'] === 'dead-letter',
    dedupUntilSettled: settings['dedup.scope'] === 'until-settled',
    dedupWindowMs: Number(settings['dedup.window.ms']),
  }
}
