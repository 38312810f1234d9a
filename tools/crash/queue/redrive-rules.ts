// The rules about what redrives do: a dead letter that was moved is one record again, once, and in its order.

import type { Report } from './queue-checker.js'
import type { Entry, RecordStory } from './record-story.js'

/** @param records all of a queue, by place. */
export function checkRedrives (
  queue: string, records: readonly RecordStory[], redrives: readonly Entry<'redrive'>[], report: Report,
): void {
  for (const { redriveId, state } of redrives) {
    if (state !== 'done' && state !== 'cancelled') report(`redrive: ${redriveId} of ${queue} is ${state} at the end`)
  }
  checkMoves(records, report)
  const letters = records.flatMap(({ deadLetters }) => deadLetters)
  const gone = letters.filter(({ isLeft }) => !isLeft).length
  const moved = redrives.reduce((sum, redrive) => sum + redrive.moved, 0)
  if (moved !== gone) report(`redrive: ${moved} letters of ${queue} were moved, and ${gone} are gone`)
  for (const [value, copies] of byValue(records)) {
    const movedLetters = copies.flatMap(({ deadLetters }) => deadLetters).filter(({ isLeft }) => !isLeft).length
    if (copies.length === movedLetters + 1) continue
    const names = copies.map(({ name }) => name).join(', ')
    report(`redrive: ${value} is in ${copies.length} places (${names}) after ${movedLetters} of its letters were moved`)
  }
}

/** A move is made once, and the moves of a redrive into a partition are in order. */
function checkMoves (records: readonly RecordStory[], report: Report): void {
  const places = new Map<string, RecordStory>()
  const last = new Map<string, RecordStory>()
  for (const record of records) {
    const { move, place, name } = record
    if (move === null) continue
    const one = `${move.redriveId}/${move.sequence}`
    const other = places.get(one)
    if (other !== undefined) report(`redrive: move ${move.sequence} of ${move.redriveId} is ${other.name} and ${name}`)
    places.set(one, record)
    const lane = `${move.redriveId}/${place.partition}`
    const before = last.get(lane)
    if (before !== undefined && before.move!.sequence > move.sequence) {
      report(`redrive: ${name} is move ${move.sequence} of ${move.redriveId}, and behind ${before.name}, which is ${before.move!.sequence}`)
    }
    last.set(lane, record)
  }
}

function byValue (records: readonly RecordStory[]): Map<string, RecordStory[]> {
  const values = new Map<string, RecordStory[]>()
  for (const record of records) {
    if (record.value === null) continue
    const copies = values.get(record.value)
    if (copies === undefined) values.set(record.value, [record])
    else copies.push(record)
  }
  return values
}
