// Where a server departs from PROTOCOL.md: what was expected, and what came.

import { ERROR, errorName, type ErrorName, type ErrorResponse } from '@sluice/protocol'

export class Deviation extends Error {
  readonly expected: string
  readonly actual: string

  constructor (expected: string, actual: string) {
    super(`expected ${expected}; got ${actual}`)
    this.name = 'Deviation'
    this.expected = expected
    this.actual = actual
  }
}

/** @throws Deviation unless the two are the same number, string or boolean. */
export function expectEqual (actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Deviation(`${what} ${JSON.stringify(expected)}`, JSON.stringify(actual))
}

/** @throws Deviation unless `condition` holds. */
export function expectThat (condition: boolean, expected: string, actual: string): void {
  if (!condition) throw new Deviation(expected, actual)
}

/** @throws Deviation unless the request failed as a whole with this error and says why. */
export function expectRefused (answer: { error: ErrorResponse | null }, name: ErrorName): void {
  const { error } = answer
  if (error === null) throw new Deviation(name, 'success')
  if (error.code !== ERROR[name]) throw new Deviation(name, `${errorName(error.code)}: ${error.message}`)
  expectThat(error.message !== '', `a message with ${name}`, 'an empty one')
}

/** @throws Deviation unless the item has this error, and a message where it is one. */
export function expectItem (item: { error: number, message: string } | undefined, name: ErrorName): void {
  if (item === undefined) throw new Deviation(`an item with ${name}`, 'none')
  if (item.error !== ERROR[name]) throw new Deviation(name, `${errorName(item.error)} ${item.message}`.trim())
  if (item.error !== 0) expectThat(item.message !== '', `a message with ${name}`, 'an empty one')
}
