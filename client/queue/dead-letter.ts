// What a dead letter says about itself.

import { DEAD_LETTER_HEADER, decodeDeadLetterNote, type DeadLetterNote } from '@sluice/protocol'
import type { InRecord } from '../records.js'

/**
 * Where a record of a dead-letter queue comes from, why it was given up, and how each attempt went; null for a record
 * that is no dead letter.
 */
export function deadLetterOf (record: Pick<InRecord<unknown, unknown>, 'headers'>): DeadLetterNote | null {
  return decodeDeadLetterNote(record.headers.get(DEAD_LETTER_HEADER) ?? null)
}
