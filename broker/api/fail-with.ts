// Tells who has asked what went wrong behind a promise.

import assert from 'node:assert'
import { ERROR } from '@sluice/protocol'
import type { Call } from '../net/call.js'

/** An error with a number of the protocol says so itself; all others come from the disk. A mistake of ours goes on. */
export function failWith (call: Call, cause: Error & { code?: unknown, retryAfterMs?: number }): void {
  assert(!(cause instanceof assert.AssertionError), cause)
  const { code, message, retryAfterMs = 0 } = cause
  call.fail(typeof code === 'number' ? code : ERROR.STORAGE_UNAVAILABLE, message, retryAfterMs)
}
