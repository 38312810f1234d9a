import t from 'tap'
import { parseDuration } from './quantities.js'
import { parseStartPosition } from './start-position.js'

t.test('Start position: every form', async t => {
  t.equal(parseStartPosition('start'), 'earliest')
  t.equal(parseStartPosition('end'), 'latest')
  t.equal(parseStartPosition('120'), 120)
  t.equal(parseStartPosition('-10'), -10)
  t.same(parseStartPosition('@1700000000000'), new Date(1_700_000_000_000))
  t.same(parseStartPosition('@2026-01-31T12:00:00Z'), new Date(Date.UTC(2026, 0, 31, 12)))
  t.same(parseStartPosition('1h30m'), { ago: '1h30m' })
})

t.test('Start position: what is none is refused', async t => {
  for (const text of ['', 'now', '@', '@yesterday', '1x', '-1h', '1.5', '99999999999999999999', '1 h']) {
    t.throws(() => parseStartPosition(text), { name: 'InvalidArgumentError' }, text)
  }
})

t.test('Durations: with units and without', async t => {
  t.equal(parseDuration('250'), 250)
  t.equal(parseDuration('250ms'), 250)
  t.equal(parseDuration('1.5s'), 1500)
  t.equal(parseDuration('1h30m'), 5_400_000)
  for (const text of ['', 's', '-1s', '1y', '1s2', ' 1s']) t.equal(parseDuration(text), null, text)
})
