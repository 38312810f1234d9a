// The answer of `queue explain` in sentences.

import type { RecordExplanation } from '@sluice/client'

/** What a person wants to know: where the record stands, why, and what it waits for. */
export function explanationText (record: RecordExplanation): string {
  const lines = [`record ${record.partition}:${record.offset} is ${sentence(record)}`]
  if (record.state !== 'terminal') {
    lines.push(`${record.failures} of ${record.maxAttempts} attempts failed, handed out ${times(record.deliveries)}`)
    if (record.paused) lines.push('the queue is paused: sluice queue resume')
    if (record.atMaxInFlight) lines.push('as many records are in flight as max.in.flight allows: others have to be settled first')
  }
  if (record.damaged) lines.push('its bytes are damaged on disk: sluice segment verify')
  if (record.reasonText !== '') lines.push(`the consumer said: ${record.reasonText}`)
  return lines.join('\n')
}

function sentence (record: RecordExplanation): string {
  const { timeLeftMs, behindOffset, partition } = record
  switch (record.state) {
    case 'aboveHighWatermark': return 'not committed yet: it waits for its replicas'
    case 'fresh': return record.recordsBefore > 0
      ? `waiting for its first turn, behind at most ${record.recordsBefore.toLocaleString('en-US')} others`
      : 'waiting for its first turn, next in line'
    case 'ready': return 'ready: it goes to the next consumer that asks'
    case 'leased': return `in the hands of ${holder(record)} for another ${formatAge(timeLeftMs)}` +
      (record.cancelRequested ? '; it was cancelled and ends with its lease' : '')
    case 'delayed': return `delayed for another ${formatAge(timeLeftMs)}`
    case 'blocked': return `blocked: record ${partition}:${behindOffset} of the same key comes first`
    case 'rateLimited': return `held back by the rate of its key for another ${formatAge(timeLeftMs)}`
    case 'held': return `held: record ${partition}:${behindOffset} of the same key was given up and stops the key: sluice queue resume --key`
    case 'quarantined':
      return `going to the dead letters: record ${partition}:${behindOffset} of the same key was given up: sluice queue resume --key`
    case 'deadLetterPending': return `given up (${record.reason}); its dead letter is being written` +
      (record.waitsFor === '' ? '' : `, again and again: ${record.waitsFor}`)
    case 'terminal': return ended(record)
    case 'unknown': return 'not known'
  }
}

function holder (record: RecordExplanation): string {
  const name = record.clientName === '' ? `session ${record.sessionId}` : record.clientName
  return record.clientAddress === '' ? name : `${name} (${record.clientAddress})`
}

function ended (record: RecordExplanation): string {
  switch (record.cause) {
    case 'acknowledged': return 'done: it was acknowledged'
    case 'cancelled': return 'done: it was cancelled'
    case 'expired': return 'gone: its time was over'
    case 'purged': return 'gone: the queue was purged'
    case 'duplicate': return 'never handed out: its dedup id was taken when it was sent'
    case 'archived': return `given up (${record.reason}); the queue has no dead letters`
    case 'dead': return record.deadLetter === null
      ? `dead (${record.reason}): it is among the dead letters`
      : `dead (${record.reason}): dead letter ${record.deadLetter.partition}:${record.deadLetter.offset}`
    case 'damaged': return 'passed over: its bytes were damaged on disk when its turn came'
    case 'unknown': return 'done with; how and when is not known any more: a broker remembers the last 10,000, from its start on'
  }
}

function times (count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

/** `350 ms`, `12.3 s`, `4.0 min`, `2.5 h`, `3.1 d`; `-` where it is negative. */
export function formatAge (ms: number): string {
  if (ms < 0) return '-'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`
  if (ms < 86_400_000) return `${(ms / 3_600_000).toFixed(1)} h`
  return `${(ms / 86_400_000).toFixed(1)} d`
}
