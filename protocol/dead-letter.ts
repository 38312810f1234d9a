// What a dead letter says about itself, and what a record says that a redrive has moved back: one header each, in JSON,
// behind the headers that the record had.

import type { QueueFailureReason } from './generated/messages.js'

/** Name of the header. Where a record has several, the last one is of its latest death. */
export const DEAD_LETTER_HEADER = 'sluice.dead-letter'

/** One failed attempt. Times in milliseconds since 1970-01-01 UTC. */
export interface DeadLetterAttempt {
  readonly sessionId: number
  readonly startedAt: number
  readonly endedAt: number
  readonly reason: QueueFailureReason
  /** What the consumer said; may be empty. */
  readonly text: string
}

/** The content of the header. Times in milliseconds since 1970-01-01 UTC. */
export interface DeadLetterNote {
  /** Name and id of the topic that the record was in. */
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** The queue group that gave it up; empty for the queue's own. */
  readonly group: string
  readonly offset: number
  /** Timestamp of the record; -1 where it is damaged. */
  readonly timestamp: number
  readonly diedAt: number
  readonly reason: QueueFailureReason
  /** What the consumer said at the end; may be empty. */
  readonly text: string
  readonly failures: number
  readonly deliveries: number
  /** Oldest first; of many the first and the latest. */
  readonly attempts: readonly DeadLetterAttempt[]
  /** True where the record could not be read any more: the letter has none of its key, value and headers. */
  readonly damaged?: boolean
}

/** The value of the header. */
export function encodeDeadLetterNote (note: DeadLetterNote): string {
  return JSON.stringify(note)
}

/** Reads the value of the header; null where it is none: headers are the users', too. */
export function decodeDeadLetterNote (value: Uint8Array | string | null): DeadLetterNote | null {
  const note = parsed(value)
  return isNote(note) ? note : null
}

/** Name of the header that a redrive puts in the place of DEAD_LETTER_HEADER. */
export const REDRIVE_HEADER = 'sluice.redrive'

/** Which move of which redrive has brought a record back. */
export interface RedriveNote {
  readonly redriveId: string
  /** Number of the move: 1, 2, 3 … through the whole job. */
  readonly sequence: number
}

/** The value of the header. */
export function encodeRedriveNote (note: RedriveNote): string {
  return JSON.stringify(note)
}

/** Reads the value of the header; null where it is none. */
export function decodeRedriveNote (value: Uint8Array | string | null): RedriveNote | null {
  const note = parsed(value)
  return hasFields(note, ['redriveId'], ['sequence']) ? note as unknown as RedriveNote : null
}

const TEXTS = ['topic', 'topicId', 'group', 'reason', 'text']
const NUMBERS = ['partition', 'offset', 'timestamp', 'diedAt', 'failures', 'deliveries']

function isNote (value: unknown): value is DeadLetterNote {
  return hasFields(value, TEXTS, NUMBERS) && Array.isArray(value.attempts) && value.attempts.every(attempt =>
    hasFields(attempt, ['reason', 'text'], ['sessionId', 'startedAt', 'endedAt']))
}

function parsed (value: Uint8Array | string | null): unknown {
  if (value === null) return null
  try {
    return JSON.parse(typeof value === 'string' ? value : Buffer.from(value).toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function hasFields (
  value: unknown, texts: readonly string[], numbers: readonly string[],
): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Record<string, unknown>
  return texts.every(name => typeof fields[name] === 'string') &&
    numbers.every(name => Number.isSafeInteger(fields[name]))
}
