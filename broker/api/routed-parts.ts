// What the handlers share that pass requests on in the name of a client (routed-*.ts): who is to be asked for what, and
// one answer out of those of several brokers.
//
//   all led by one other broker:  the frame is passed on as it is, and so is the answer
//   led by several:               a part to each; a request that waits asks all of them for a short time, repeatedly
//
// A client that cares about latency asks the leaders itself; this is for those that reach one address only.

import {
  API_KEY, FRAME_FLAG, decodeBody, messageCodec, type ApiName, type Frame, type MessageOf,
} from '@sluice/protocol'
import type { ClientRoute, ClientRoutes } from '../forward/client-routes.js'
import type { Upstream } from '../forward/upstream.js'
import type { ApiHandler, Call } from '../net/call.js'
import { PartCall, type PartAnswer } from './part-call.js'
import type { BrokerServices } from './services.js'

export interface Place { readonly topicId: string, readonly partition: number }

/** What one broker is asked for: some items of a request, with their places in it. */
export interface Part<Item> { readonly broker: number, readonly items: Item[], readonly at: number[] }

/** Another broker may take so much longer than the request itself may, in milliseconds. */
const SLACK_MS = 30_000
/** A request that waits at several brokers waits so long at each before it looks at what the others have. */
const WAIT_SLICE_MS = 100

export class Router {
  readonly services: BrokerServices
  private readonly routes: ClientRoutes

  constructor (services: BrokerServices, routes: ClientRoutes) {
    this.services = services
    this.routes = routes
  }

  get brokerId (): number { return this.services.brokerId }

  routeOf (call: Call): ClientRoute { return this.routes.of(call.connection) }

  /** Who leads a partition; this broker, which has to say so, where nobody does. */
  leaderOf ({ topicId, partition }: Place): number {
    const leader = this.services.view.leaderOf(topicId, partition)
    return leader < 0 ? this.brokerId : leader
  }

  /** Until when an answer is waited for that takes `timeoutMs` by itself. */
  dueMs (timeoutMs: number): number { return this.services.clock.monotonicMs() + timeoutMs + SLACK_MS }

  /** Parts of a request by broker; null where this broker is to answer all of it. */
  partsOf<Item> (frame: Frame, items: readonly Item[], brokerOf: (item: Item) => number): Part<Item>[] | null {
    if ((frame.flags & FRAME_FLAG.forwarded) !== 0) return null
    const parts = new Map<number, Part<Item>>()
    for (const [index, item] of items.entries()) {
      const broker = brokerOf(item)
      let part = parts.get(broker)
      if (part === undefined) parts.set(broker, part = { broker, items: [], at: [] })
      part.items.push(item)
      part.at.push(index)
    }
    return parts.size === 0 || (parts.size === 1 && parts.has(this.brokerId)) ? null : [...parts.values()]
  }
}

/** Passes a request on whole, and its answer back. */
export function passOn (upstream: Upstream, call: Call, frame: Frame, dueMs: number): void {
  upstream.pass(frame, dueMs, answer => {
    if (answer.frame !== null) call.pass(answer.frame)
    else call.fail(answer.code, answer.message, answer.retryAfterMs)
  })
}

/** Asks another broker for a part. */
export function ask<A extends ApiName> (
  upstream: Upstream, api: A, request: MessageOf<A, 'request'>, payload: readonly Buffer[], dueMs: number,
  take: (answer: PartAnswer<MessageOf<A, 'response'>>) => void,
): void {
  const head = upstream.headOf(API_KEY[api], 1)
  let payloadBytes = 0
  for (const { length } of payload) payloadBytes += length
  const message = messageCodec(api, 'request').encodeFrame(head, request, payloadBytes)
  upstream.send(head, [message, ...payload], dueMs, answer => {
    const { frame } = answer
    if (frame === null) return take(answer)
    const response = decodeBody(messageCodec(api, 'response'), frame)
    take({ response, payload: [frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd)] })
  })
}

/** An answer of one broker to its part. */
export interface Gathered<Item, Response> { readonly part: Part<Item>, readonly answer: PartAnswer<Response> }

/** What a request for several brokers is asked and answered by. */
export interface Spread<A extends ApiName, Item> {
  readonly parts: readonly Part<Item>[]
  readonly maxWaitMs: number
  /** The request for a part in one round; null where it is left out of this one. */
  requestFor (part: Part<Item>, round: number, waitMs: number): MessageOf<A, 'request'> | null
  upstreamOf (broker: number): Upstream
  /** Answers, where what has come is enough or `isLast`. False: another round is to be made. */
  finish (gathered: readonly Gathered<Item, MessageOf<A, 'response'>>[], isLast: boolean): boolean
}

/** Asks in rounds, the first one without waiting, until there is enough or the time is over. */
export function gatherInRounds<A extends ApiName, Item> (
  router: Router, handler: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>>, spread: Spread<A, Item>,
  call: Call<MessageOf<A, 'response'>>, frame: Frame,
): void {
  const { clock } = router.services
  const deadlineMs = clock.monotonicMs() + spread.maxWaitMs
  // Later rounds come when the bytes of the frame have long been those of another.
  const own = { ...frame, bytes: Buffer.alloc(0), bodyStart: 0, bodyEnd: 0, payloadEnd: 0 }

  function askAll (round: number): void {
    // The client may have gone since the last round, and its ways to other brokers with it.
    if (call.connection.isClosed) return
    const waitMs = round === 0 ? 0 : Math.max(0, Math.min(WAIT_SLICE_MS, Math.ceil(deadlineMs - clock.monotonicMs())))
    const asked = spread.parts.flatMap(part => {
      const request = spread.requestFor(part, round, waitMs)
      return request === null ? [] : [{ part, request }]
    })
    const gathered: Gathered<Item, MessageOf<A, 'response'>>[] = []
    for (const { part, request } of asked) {
      const take = (answer: PartAnswer<MessageOf<A, 'response'>>): void => {
        gathered.push({ part, answer })
        if (gathered.length < asked.length || call.connection.isClosed) return
        const isLast = round > 0 ? clock.monotonicMs() >= deadlineMs : spread.maxWaitMs === 0
        if (spread.finish(gathered, isLast)) return
        for (const { answer } of gathered) if ('response' in answer) answer.onSent?.()
        router.services.endOfTurn(() => askAll(round + 1))
      }
      if (part.broker === router.brokerId) handler.handle(request, new PartCall(call, own, take), own)
      else ask(spread.upstreamOf(part.broker), handler.api as A, request, [], router.dueMs(waitMs), take)
    }
  }
  askAll(0)
}
