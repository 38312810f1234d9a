import t from 'tap'
import { ConfigError, OPTIONS, parseAddress, parseConfig } from './config.js'

t.test('parseConfig: flag before environment before file before default', async t => {
  const config = parseConfig({
    flags: { data: '/d', 'max-connections': '1' },
    environment: { SLUICE_MAX_CONNECTIONS: '2', SLUICE_RACK: 'r2' },
    file: { 'max-connections': '3', rack: 'r3', id: '3' },
  })
  t.equal(config.maxConnections, 1)
  t.equal(config.rack, 'r2')
  t.equal(config.id, 3)
  t.equal(config.maxFrameBytes, 16 * 1024 * 1024)
  const sources = Object.fromEntries(config.settings.map(({ name, source }) => [name, source]))
  t.match(sources, { 'max-connections': 'flag', rack: 'environment', id: 'file', 'max-frame-bytes': 'default' })
})

t.test('parseConfig: sizes and durations take units', async t => {
  const config = parseConfig({ flags: { data: '/d', 'tail-cache-bytes': '128MiB', 'shutdown-timeout': '3s' } })
  t.equal(config.tailCacheBytes, 128 * 1024 * 1024)
  t.equal(config.shutdownTimeoutMs, 3000)
})

t.test('parseConfig: topic defaults are checked as topic settings are', async t => {
  const config = parseConfig({ flags: { data: '/d', 'topic-defaults': 'retention.ms=1d, flush=interval' } })
  t.same(config.topicDefaults, { 'retention.ms': '86400000', flush: 'interval' })
  t.throws(() => parseConfig({ flags: { data: '/d', 'topic-defaults': 'flush=maybe' } }), /flush is "maybe"; it must be one of/)
})

t.test('parseConfig: every fault is named with where it comes from and what is allowed', async t => {
  try {
    parseConfig({ flags: { 'max-connections': '0', listen: 'nowhere', colour: 'red' }, environment: { SLUICE_ID: 'x' } })
    t.fail('must throw')
  } catch (error) {
    t.type(error, ConfigError)
    const text = (error as ConfigError).message
    t.match(text, /max-connections is "0"; it must be 1 to 1000000 \(from --max-connections\)/)
    t.match(text, /listen is "nowhere"; it must be HOST:PORT/)
    t.match(text, /flag --colour is not an option/)
    t.match(text, /id is "x"; .*\(from SLUICE_ID\)/)
    t.match(text, /data is missing/)
  }
})

t.test('OPTIONS: every default is valid', async t => {
  t.doesNotThrow(() => parseConfig({ flags: { data: '/d' } }))
  for (const [name, row] of Object.entries(OPTIONS)) t.ok(row.doc.endsWith('.'), `${name} is documented`)
})

t.test('parseAddress: names, numbers, IPv6 in brackets; nothing else', async t => {
  t.same(parseAddress('localhost:7400'), { host: 'localhost', port: 7400 })
  t.same(parseAddress('[::1]:0'), { host: '::1', port: 0 })
  for (const bad of ['7400', ':7400', 'host:', 'host:70000', 'a b:1', '::1:7400', 'host:-1']) t.equal(parseAddress(bad), undefined, bad)
})
