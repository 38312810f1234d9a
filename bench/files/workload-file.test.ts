import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseWorkload, readWorkloadFile } from './workload-file.js'

const WORKLOADS = fileURLToPath(new URL('../../workloads', import.meta.url))

t.test('Workload file: flat YAML as the OpenMessaging Benchmark has it', async t => {
  const { title, work, warmupMs, durationMs } = parseWorkload(`---
# a comment
name: "one: two" # quoted
topics: 2
partitionsPerTopic: 3
messageSize: 1024
payloadFile: "payload/payload-1Kb.data"
keyDistributor: KEY_ROUND_ROBIN
subscriptionsPerTopic: 4
consumerPerSubscription: 5
producersPerTopic: 6
producerRate: 50000 # a second
consumerBacklogSizeGB: 0
testDurationMinutes: 0.5
`, 'file')
  t.equal(title, 'one: two')
  t.same(work, {
    kind: 'rate',
    workload: {
      name: 'messaging',
      topics: 2,
      partitionsPerTopic: 3,
      size: 1024,
      keys: 'round-robin',
      producersPerTopic: 6,
      subscriptionsPerTopic: 4,
      consumersPerSubscription: 5,
      flush: 'sync',
      rate: 50_000,
    },
  })
  t.same([warmupMs, durationMs], [6_000, 30_000])
})

t.test('Workload file: no rate looks for one, and a backlog is caught up with', async t => {
  t.match(parseWorkload('producerRate: 0', 'x/file.yaml'), { title: 'file.yaml', work: { kind: 'find-rate' } })
  t.match(parseWorkload('{"producerRate": 100, "consumerBacklogSizeGB": 0.5, "messageSize": 1000}', 'file'), {
    work: { kind: 'backlog', workload: { name: 'backlog', backlog: 500_000, rate: 100, size: 1000 } },
  })
})

t.test('Workload file: mistakes are named with file, line or field, and what is allowed', async t => {
  const mistakes: [string, RegExp][] = [
    ['topics: 0', /^file: topics must be a whole number from 1 to 1000, not 0$/],
    ['topics: 1.5', /topics must be a whole number/],
    ['topics: many', /not "many"/],
    ['testDurationMinutes: 0', /testDurationMinutes must be a number from 0\.001/],
    ['topicz: 1', /topicz is not known; known are name/],
    ['toString: 1', /toString is not known/],
    ['keyDistributor: KEY', /keyDistributor must be of NO_KEY, KEY_ROUND_ROBIN, RANDOM_NANO, not "KEY"/],
    ['keyDistributor: constructor', /keyDistributor must be of/],
    ['name: a\ntopics: 1\ntopics: 2', /^file:3: topics comes twice/],
    ['name: a\n  nested: 1', /^file:2: "name: value" was due/],
    ['- item', /^file:1:/],
    ['{ "topics": ', /is no JSON/],
    ['consumerBacklogSizeGB: 1\nproducerRate: 0', /needs a producerRate above 0/],
    ['consumerBacklogSizeGB: 1\nproducerRate: 5\nproducersPerTopic: 2', /and one topic, producer/],
  ]
  for (const [text, message] of mistakes) {
    t.throws(() => parseWorkload(text, 'file'), { name: 'BenchError', exitCode: 2, message }, text)
  }
  await t.rejects(readWorkloadFile('/no/such/file.yaml'), { name: 'BenchError', message: /cannot be read/ })
})

t.test('Workload file: those that come with it are sound', async t => {
  const names = await readdir(WORKLOADS)
  t.ok(names.length >= 4)
  for (const name of names) t.ok((await readWorkloadFile(`${WORKLOADS}/${name}`)).title.length > 0, name)
})
