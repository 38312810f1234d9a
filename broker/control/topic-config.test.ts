import t from 'tap'
import { DEFAULT_TOPIC_SETTINGS, TOPIC_SETTINGS, logConfigOf, parseTopicSetting } from './topic-config.js'

t.test('topic settings: units are put into plain numbers', async t => {
  t.same(parseTopicSetting('retention.ms', '7d'), { value: '604800000' })
  t.same(parseTopicSetting('segment.bytes', '1.5MiB'), { value: '1572864' })
  t.same(parseTopicSetting('retention.bytes', '-1'), { value: '-1' })
})

t.test('topic settings: what is not allowed is told with its range', async t => {
  const tooSmall = parseTopicSetting('segment.bytes', '1')
  t.match(tooSmall, { fault: /segment.bytes is "1"; it must be 65536 to 2147483648 bytes, or with a unit such as 64MiB/ })
  t.match(parseTopicSetting('flush', 'never'), { fault: /must be one of sync, interval, none/ })
  t.match(parseTopicSetting('colour', 'red'), { fault: /unknown setting "colour"; known are cleanup, / })
  t.match(parseTopicSetting('__proto__', 'red'), { fault: /unknown setting/ })
  for (const text of ['', 'x', '1e3', '1.5', '5 parsecs', 'NaN']) {
    t.match(parseTopicSetting('retention.ms', text), { fault: /retention.ms/ }, text)
  }
})

t.test('topic settings: the defaults are valid and durable', async t => {
  for (const [name, row] of Object.entries(TOPIC_SETTINGS)) {
    t.same(parseTopicSetting(name, row.default), { value: row.default }, name)
  }
  t.match(logConfigOf(DEFAULT_TOPIC_SETTINGS), { flush: 'sync', cleanup: { delete: true, compact: false } })
  t.match(logConfigOf({ ...DEFAULT_TOPIC_SETTINGS, cleanup: 'both' }), { cleanup: { delete: true, compact: true } })
})
