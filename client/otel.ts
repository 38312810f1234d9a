// OpenTelemetry: `import { traceSends, traced } from '@sluice/client/otel'`.
//
// The OpenTelemetry API is given, not imported, so that nobody has to install it who does not use it. The trace context
// travels in the record's headers as W3C Trace Context says: `traceparent` and `tracestate`.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { SendMessage } from './diagnostics.js'
import type { InRecord } from './records.js'

/** The parts of `@opentelemetry/api` that are used here: pass the whole module. */
export interface OtelApi<Context = any> {
  readonly trace: {
    getTracer (name: string, version?: string): OtelTracer<Context>
    setSpan (context: Context, span: any): Context
  }
  readonly context: {
    active (): Context
    with<A extends unknown[], R> (context: Context, call: (...args: A) => R, thisArg?: any, ...args: A): R
  }
  readonly propagation: {
    inject (context: Context, carrier: any, setter?: any): void
    extract (context: Context, carrier: any, getter?: any): Context
  }
  readonly SpanKind: { readonly PRODUCER: number, readonly CONSUMER: number }
  readonly SpanStatusCode: { readonly ERROR: number }
}

interface OtelTracer<Context> {
  startSpan (name: string, options: any, context?: Context): OtelSpan
}

interface OtelSpan {
  setStatus (status: any): unknown
  recordException (error: any): unknown
  end (): void
}

const TRACER = '@sluice/client'
const SEND_CHANNEL = 'sluice:client:send'

/**
 * Gives each record that is sent a `create` span and puts its context into the headers. Holds for all clients of this
 * process.
 *
 * @returns a function that ends it.
 */
export function traceSends (api: OtelApi): () => void {
  const tracer = api.trace.getTracer(TRACER)
  const onSend = (message: unknown): void => {
    const { topic, headers } = message as SendMessage
    const span = tracer.startSpan(`create ${topic}`, {
      kind: api.SpanKind.PRODUCER,
      attributes: {
        'messaging.system': 'sluice',
        'messaging.operation.name': 'create',
        'messaging.operation.type': 'create',
        'messaging.destination.name': topic,
      },
    }, api.context.active())
    api.propagation.inject(api.trace.setSpan(api.context.active(), span), headers)
    span.end()
  }
  subscribe(SEND_CHANNEL, onSend)
  return () => { unsubscribe(SEND_CHANNEL, onSend) }
}

/**
 * Wraps a handler of `consumer.run`: each call is a `process` span whose parent is the context in the record's headers,
 * and which is active inside the handler.
 *
 * @param group name of the consumer group, for the span.
 */
export function traced<K, V, R> (
  api: OtelApi, handler: (record: InRecord<K, V>) => R | Promise<R>, options: { group?: string } = {},
): (record: InRecord<K, V>) => Promise<R> {
  const tracer = api.trace.getTracer(TRACER)
  return async record => {
    const parent = api.propagation.extract(api.context.active(), textHeaders(record))
    const span = tracer.startSpan(`process ${record.topic}`, {
      kind: api.SpanKind.CONSUMER,
      attributes: {
        'messaging.system': 'sluice',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': record.topic,
        'messaging.destination.partition.id': String(record.partition),
        'sluice.offset': record.offset,
        'sluice.attempt': record.attempt,
        ...(options.group === undefined ? {} : { 'messaging.consumer.group.name': options.group }),
      },
    }, parent)
    try {
      return await api.context.with(api.trace.setSpan(parent, span), async () => handler(record))
    } catch (error) {
      span.recordException(error)
      const message = error instanceof Error ? error.message : String(error)
      span.setStatus({ code: api.SpanStatusCode.ERROR, message })
      throw error
    } finally {
      span.end()
    }
  }
}

function textHeaders (record: InRecord<unknown, unknown>): Record<string, string> {
  const carrier: Record<string, string> = {}
  for (const [name, value] of record.headers) {
    if (name === 'traceparent' || name === 'tracestate' || name === 'baggage') {
      carrier[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    }
  }
  return carrier
}
