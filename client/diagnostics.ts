// Channels of node:diagnostics_channel that tell what the client does. They cost nothing while nobody listens.
//
//   channel                  published                                            message
//   sluice:client:send       for each record, before it is put into a batch       SendMessage; add to its `headers`
//   sluice:client:produce    for each batch, when its fate is known               ProduceMessage
//   sluice:client:fetch      for each answer with records                         FetchMessage
//   sluice:client:handle     tracing channel around each handler call of `run`    HandleMessage
//   sluice:client:request    for each request with its outcome                    RequestMessage

import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { BrokerError } from './broker-error.js'
import type { InRecord } from './records.js'

/** A record is about to be sent. What a subscriber puts into `headers` goes with it. */
export interface SendMessage { topic: string, key: unknown, headers: Record<string, string | Uint8Array> }

/** A batch was acknowledged or has failed. */
export interface ProduceMessage {
  topic: string
  partition: number
  records: number
  bytes: number
  /** -1 where it failed. */
  baseOffset: number
  attempts: number
  durationMs: number
  error: BrokerError | null
}

/** Records have arrived. */
export interface FetchMessage { topic: string, partition: number, offset: number, bytes: number }

/** A handler runs. */
export interface HandleMessage { group: string, record: InRecord<unknown, unknown> }

/** A request was answered or has failed. */
export interface RequestMessage { api: string, broker: number, durationMs: number, error: BrokerError | null }

/** The channels. */
export const CHANNEL = {
  send: channel('sluice:client:send'),
  produce: channel('sluice:client:produce'),
  fetch: channel('sluice:client:fetch'),
  request: channel('sluice:client:request'),
} as const

/** The tracing channel around handlers. */
export const HANDLE_CHANNEL = tracingChannel<string, HandleMessage>('sluice:client:handle')
