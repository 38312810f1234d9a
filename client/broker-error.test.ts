// The form of an error's message: what is wrong, what to do, and the code in brackets, once.

import { ERROR } from '@sluice/protocol'
import t from 'tap'
import { asBrokerError, BrokerError, reasonOf, serverError } from './broker-error.js'

t.test('BrokerError: the message ends with the code, and with the name of the protocol where that says more', async t => {
  t.equal(new BrokerError('CLOSED', 'it is closed').message, 'it is closed [CLOSED]')
  t.equal(serverError(ERROR.UNKNOWN_TOPIC, 'there is no topic "a"').message, 'there is no topic "a" [UNKNOWN_TOPIC]')
  t.equal(serverError(ERROR.STALE_GENERATION, 'too old').message, 'too old [REBALANCE: STALE_GENERATION]')
  t.match(serverError(9_999, 'of the future').message, /^of the future \[[A-Z]+: ERROR_9999\]$/)
})

t.test('BrokerError: the words of the error table stand in for a broker that says nothing', async t => {
  const { message } = serverError(ERROR.UNKNOWN_TOPIC, '')
  t.match(message, /^There is no .*\. .*\. \[UNKNOWN_TOPIC\]$/)
})

t.test('BrokerError: an error inside the words of another leaves its code out', async t => {
  const inner = serverError(ERROR.STALE_GENERATION, 'offset 3 [of 4] is too old')
  t.equal(inner.reason, 'offset 3 [of 4] is too old')
  const { code, reason, serverCode } = inner
  const outer = new BrokerError(code, `failed 3 times, last: ${reason}`, { serverCode })
  t.equal(outer.message, 'failed 3 times, last: offset 3 [of 4] is too old [REBALANCE: STALE_GENERATION]')
  t.equal(reasonOf(inner), reason)
  t.equal(reasonOf(new TypeError('x is no number')), 'x is no number')
  t.equal(reasonOf('just a text'), 'just a text')
  t.equal(reasonOf(new RangeError()), 'RangeError', 'one without a message')
  t.equal(reasonOf(undefined), 'undefined')
  t.equal(reasonOf({ status: 503 }), '{ status: 503 }')
  t.match(reasonOf(Object.create(null)), /null prototype/, 'what String() throws at')
  t.match(reasonOf(Object.assign(new Error('x'), { message: 7 })), /Error/)
})

t.test('asBrokerError: a BrokerError stays as it is, all else becomes one and keeps its cause', async t => {
  const error = new BrokerError('CLOSED', 'it is closed')
  t.equal(asBrokerError(error), error)
  const cause = new RangeError('odd')
  t.match(asBrokerError(cause), { code: 'PROTOCOL', message: 'odd [PROTOCOL]', cause })
})
