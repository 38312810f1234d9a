import t from 'tap'
import { crc32c } from '@sluice/protocol'
import { BrokerError, serverError } from './broker-error.js'
import { connect } from './client.js'
import { formatAddress, parseAddress } from './client-options.js'
import { partitionOfKey } from './producer/partitioner.js'
import { checkStart, parseDurationMs, type Start } from './start.js'
import { backoffDelayMs } from './waiting.js'

t.test('Options: addresses', async t => {
  t.same(parseAddress('localhost'), { host: 'localhost', port: 7400 })
  t.same(parseAddress('10.0.0.1:9'), { host: '10.0.0.1', port: 9 })
  t.same(parseAddress('[::1]:9'), { host: '::1', port: 9 })
  t.equal(formatAddress(parseAddress('[::1]')), '[::1]:7400')
  for (const wrong of ['', 'a:b', 'a:0', 'a:65536', 'http://a', '::1', 'a b']) {
    t.throws(() => parseAddress(wrong), { code: 'INVALID', message: /localhost:7400/ }, wrong)
  }
})

t.test('Options: each wrong one is named', async t => {
  t.throws(() => connect({ brokers: [] }), { code: 'INVALID', message: /option brokers/ })
  t.throws(() => connect(undefined as never), { code: 'INVALID' })
  t.throws(() => connect({ brokers: ['a'], requestTimeoutMs: -1 }), { message: /option requestTimeoutMs must be .* at least 1/ })
  t.throws(() => connect({ brokers: ['a'], retry: { jitter: 2 } }), { message: /retry.jitter/ })
  t.throws(() => connect({ brokers: ['a'], retry: { maxAttempts: 0 } }), { message: /retry.maxAttempts/ })
})

t.test('Start: durations and checks', async t => {
  t.equal(parseDurationMs('1h30m'), 5_400_000)
  t.equal(parseDurationMs('1.5s'), 1_500)
  t.equal(parseDurationMs('250ms'), 250)
  for (const wrong of ['', '1', 'h', '1 h', '-1h', '1y']) t.throws(() => parseDurationMs(wrong), { code: 'INVALID' }, wrong)
  const wrong: unknown[] = ['first', NaN, 1.5, new Date(NaN), null, { a: 1 }, { 0: 'x' }, { ago: 'x' }]
  for (const start of wrong) t.throws(() => checkStart(start as Start), { code: 'INVALID' }, String(start))
})

t.test('Errors: codes, texts, and what they are', async t => {
  const error = serverError(31, '', { topic: 't', partition: 2, resumeOffset: 7 })
  t.match(error, { code: 'OFFSET_OUT_OF_RANGE', retriable: false, serverCode: 31, resumeOffset: 7 })
  t.match(error.message, /below the start.*Start anew.*OFFSET_OUT_OF_RANGE/)
  t.ok(BrokerError.is(error) && error instanceof Error)
  t.notOk(BrokerError.is(new Error('x')) || BrokerError.is(null) || BrokerError.is({ code: 'TIMEOUT' }))
  t.equal(serverError(9999, 'of tomorrow').code, 'PROTOCOL', 'an error of a newer broker')
  t.equal(new BrokerError('TIMEOUT', 'late').reason, 'late')
})

t.test('Partitioner: CRC-32C of the key, as other languages do it', async t => {
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  t.equal(partitionOfKey('123456789', 1_000), 0xe3069283 % 1_000)
  for (const key of ['', 'a', 'Ä 漢 🙂', 'x'.repeat(5_000)]) {
    t.equal(partitionOfKey(key, 97), partitionOfKey(Buffer.from(key), 97))
    t.equal(partitionOfKey(new Uint8Array(Buffer.from(key)), 97), partitionOfKey(key, 97))
  }
})

t.test('Back-off: grows, bounded, jittered', async t => {
  const backoff = { initialDelayMs: 10, maxDelayMs: 100, jitter: 0 }
  t.same([1, 2, 3, 4, 5, 99].map(failures => backoffDelayMs(backoff, failures)), [10, 20, 40, 80, 100, 100])
  const jittered = Array.from({ length: 200 }, () => backoffDelayMs({ ...backoff, jitter: 1 }, 3))
  t.ok(jittered.every(ms => ms >= 0 && ms <= 40) && new Set(jittered).size > 100)
})
