// Where to begin reading, as people type it.
//
//   start, end        the first record held; behind the last one
//   -10               the last ten of each partition
//   120               offset 120 of each partition
//   @TIME             the first record at or after a time: @2026-01-31T12:00:00Z, or @ and milliseconds since 1970
//   90s, 1h30m, 2d    the first record that is not older

import { InvalidArgumentError } from 'commander'

/** One of the forms above, in those of the client. */
export type StartPosition = 'earliest' | 'latest' | number | Date | { ago: string }

/** @throws InvalidArgumentError which says what is understood. */
export function parseStartPosition (text: string): StartPosition {
  if (text === 'start' || text === 'earliest') return 'earliest'
  if (text === 'end' || text === 'latest') return 'latest'
  if (/^-?\d+$/.test(text)) {
    const offset = Number(text)
    if (Number.isSafeInteger(offset)) return offset
  } else if (text.startsWith('@')) {
    const time = /^@\d+$/.test(text) ? new Date(Number(text.slice(1))) : new Date(text.slice(1))
    if (!Number.isNaN(time.getTime())) return time
  } else if (/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(text)) {
    return { ago: text }
  }
  throw new InvalidArgumentError(
    'It must be start, end, an offset, -10 for the last ten, @TIME such as @2026-01-31T12:00:00Z, or an age such as 1h.')
}
