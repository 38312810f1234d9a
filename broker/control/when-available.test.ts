import t from 'tap'
import { systemClock } from '../runtime/clock.js'
import { silentLogger } from '../runtime/logger.js'
import { ControlStoreError } from './control-store.js'
import { StartAbortedError, whenAvailable } from './when-available.js'

function loggerOf (): { lines: string[], logger: typeof silentLogger } {
  const lines: string[] = []
  const note = (_fields: object, text: string): void => { lines.push(text) }
  return { lines, logger: { ...silentLogger, info: note, warn: note } }
}

t.test('whenAvailable: waits for a control store that does not answer, and says once what for', async t => {
  const { lines, logger } = loggerOf()
  let attempts = 0
  const answer = await whenAvailable(async () => {
    if (++attempts < 3) throw new ControlStoreError(attempts === 1 ? 'unavailable' : 'ambiguous', 'no answer')
    return 'here'
  }, { clock: systemClock, logger, signal: null })
  t.equal(answer, 'here')
  t.equal(attempts, 3)
  t.equal(lines.length, 2)
  t.match(lines[0], /waiting for the control store.*--control/)
  t.match(lines[1], /answers/)
})

t.test('whenAvailable: what waiting does not help against ends the start at once (refused, another fault)', async t => {
  for (const error of [new ControlStoreError('denied', 'wrong password'), new TypeError('x')]) {
    const { lines, logger } = loggerOf()
    let attempts = 0
    const waiting = whenAvailable(async () => {
      attempts++
      throw error
    }, { clock: systemClock, logger, signal: null })
    await t.rejects(waiting, error)
    t.equal(attempts, 1)
    t.strictSame(lines, [])
  }
})

t.test('whenAvailable: told to stop it waits no longer', async t => {
  const abort = new AbortController()
  const waiting = whenAvailable(async () => {
    setImmediate(() => abort.abort())
    throw new ControlStoreError('unavailable', 'no answer')
  }, { clock: systemClock, logger: silentLogger, signal: abort.signal })
  await t.rejects(waiting, StartAbortedError)
  const { signal } = abort
  await t.rejects(whenAvailable(async () => 1, { clock: systemClock, logger: silentLogger, signal }), StartAbortedError)
})
