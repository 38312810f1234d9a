import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { connect } from './client.js'
import { string } from './serdes.js'
import { traced, traceSends, type OtelApi } from './otel.js'
import { ScriptedBroker } from './testing/scripted-broker.js'

interface Span {
  name: string
  parent: string
  id: string
  attributes: Record<string, unknown>
  ended: boolean
  failed: boolean
}

/** As much of OpenTelemetry as is needed to see what the client does with it. */
function fakeOtel (): { api: OtelApi<string>, spans: Span[] } {
  const spans: Span[] = []
  let active = 'root'
  const api: OtelApi<string> = {
    trace: {
      getTracer: () => ({
        startSpan: (name, options, parent = active) => {
          const span = { name, parent, id: `span-${spans.length}`, attributes: options.attributes, ended: false, failed: false }
          spans.push(span)
          return Object.assign(span, {
            setStatus: () => { span.failed = true }, recordException: () => {}, end: () => { span.ended = true },
          })
        },
      }),
      setSpan: (_context, span) => span.id,
    },
    context: {
      active: () => active,
      with: (context, call, _thisArg, ...args) => {
        const before = active
        active = context
        try { return call(...args) } finally { active = before }
      },
    },
    propagation: {
      inject: (context, carrier) => { carrier.traceparent = context },
      extract: (context, carrier) => carrier.traceparent ?? context,
    },
    SpanKind: { PRODUCER: 3, CONSUMER: 4 },
    SpanStatusCode: { ERROR: 2 },
  }
  return { api, spans }
}

t.test('OpenTelemetry: the context of a send is the parent of its handling', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  await using client = connect({ brokers: [broker.address] })
  const topic = client.topic('t', { value: string() })
  const { api, spans } = fakeOtel()
  const stop = traceSends(api)
  await topic.producer().send({ value: 'x', headers: { own: '1' } })
  stop()
  await topic.producer().send({ value: 'untraced' })
  const consumer = topic.consumer({ group: 'g', onPoison: 'skip' })
  const actives: string[] = []
  let count = 0
  const run = consumer.run(traced(api, record => {
    actives.push(api.context.active())
    t.equal(record.headers.has('own'), record.offset === 0)
    if (++count === 2) {
      setImmediate(() => { consumer.close().catch(t.threw) })
      throw new Error('boom')
    }
  }, { group: 'g' }), { attempts: 1 })
  await run
  t.match(spans, [
    { name: 'create t', parent: 'root', ended: true, failed: false, attributes: { 'messaging.system': 'sluice' } },
    { name: 'process t', parent: 'span-0', ended: true, attributes: { 'messaging.consumer.group.name': 'g' } },
    { name: 'process t', parent: 'root', ended: true, failed: true },
  ])
  t.same(actives, ['span-1', 'span-2'])
})

t.test('Diagnostics: channels tell of records, batches and requests', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  await using client = connect({ brokers: [broker.address] })
  const seen: Record<string, any[]> = {}
  const listeners = ['send', 'produce', 'fetch', 'request'].map(name => {
    const listener = (message: unknown): void => { (seen[name] ??= []).push(message) }
    subscribe(`sluice:client:${name}`, listener)
    return () => unsubscribe(`sluice:client:${name}`, listener)
  })
  const topic = client.topic('t', { value: string() })
  await topic.producer().send({ value: 'x' })
  for await (const record of topic.read()) t.equal(record.value, 'x')
  for (const stop of listeners) stop()
  t.match(seen.send, [{ topic: 't', key: null }])
  t.match(seen.produce, [{ topic: 't', partition: 0, records: 1, baseOffset: 0, error: null }])
  t.match(seen.fetch, [{ topic: 't', partition: 0, offset: 0 }])
  t.ok(seen.request!.some(({ api, error }) => api === 'produce' && error === null))
})
