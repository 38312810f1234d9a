// Handlers of a cluster's broker around those of a broker alone: what this broker does not lead or coordinate goes to
// whoever does.
//
//   request ─┬─ items led here ────────────▶ the handler ──┐
//            ├─ items led by broker 2 ─────▶ broker 2 ─────┼─▶ results in the order of the items ──▶ answer
//            └─ items led by broker 3 ─────▶ broker 3 ─────┘
//
// A forwarded request is answered by whoever gets it: it is not passed on once more, so none goes round in circles.

import {
  ERROR, FRAME_FLAG, type ApiName, type CommitOffsetsRequest, type CommitOffsetsResponse, type CommitResult, type Frame,
  type MessageOf, type OffsetToCommit,
} from '@sluice/protocol'
import { ForwardError } from '../forward/forward-link.js'
import type { Forwarder } from '../forward/forwarder.js'
import type { ApiHandler, Call } from '../net/call.js'
import { PartCall, type PartAnswer } from './part-call.js'

/** Where the items of a request and the results of its response are. */
export interface ItemShape<Request, Response, Item, Result> {
  itemsOf (request: Request): readonly Item[]
  withItems (request: Request, items: readonly Item[]): Request
  resultsOf (response: Response): readonly Result[]
  responseOf (results: Result[]): Response
  /** The result of an item that could not be asked for. */
  failed (item: Item, error: number, message: string): Result
}

const COMMITS: ItemShape<CommitOffsetsRequest, CommitOffsetsResponse, OffsetToCommit, CommitResult> = {
  itemsOf: request => request.offsets,
  withItems: (request, offsets) => ({ ...request, offsets: [...offsets] }),
  resultsOf: response => response.results,
  responseOf: results => ({ results }),
  failed: ({ topicId, partition }, error, message) => ({ topicId, partition, error, message }),
}

export interface Place { readonly topicId: string, readonly partition: number }

/** How long another broker may take, in milliseconds, where the request does not say. */
const TIMEOUT_MS = 30_000

function isForwarded (frame: Frame): boolean { return (frame.flags & FRAME_FLAG.forwarded) !== 0 }

function isRelayed (frame: Frame): boolean { return (frame.flags & FRAME_FLAG.relayed) !== 0 }

/** A handler whose items go to the leaders of their partitions. */
export function byLeader<A extends ApiName, Item extends Place, Result> (
  forwarder: Forwarder, handler: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>>,
  shape: ItemShape<MessageOf<A, 'request'>, MessageOf<A, 'response'>, Item, Result>,
): ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>> {
  return {
    api: handler.api,
    handle (request, call, frame) {
      const parts = isForwarded(frame) ? null : partsOf(forwarder, shape.itemsOf(request))
      if (parts === null) return handler.handle(request, call, frame)
      scatter(forwarder, handler, shape, request, parts, call, frame)
    },
  }
}

/** Items by broker, with their places in the request; null where all of them are for this broker. */
function partsOf<Item extends Place> (
  forwarder: Forwarder, items: readonly Item[],
): Map<number, { items: Item[], at: number[] }> | null {
  const parts = new Map<number, { items: Item[], at: number[] }>()
  for (const [index, item] of items.entries()) {
    const leader = forwarder.leaderOf(item.topicId, item.partition)
    const broker = leader < 0 ? forwarder.brokerId : leader
    const part = parts.get(broker)
    if (part === undefined) parts.set(broker, { items: [item], at: [index] })
    else {
      part.items.push(item)
      part.at.push(index)
    }
  }
  return parts.size === 0 || (parts.size === 1 && parts.has(forwarder.brokerId)) ? null : parts
}

function scatter<A extends ApiName, Item extends Place, Result> (
  forwarder: Forwarder, handler: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>>,
  shape: ItemShape<MessageOf<A, 'request'>, MessageOf<A, 'response'>, Item, Result>, request: MessageOf<A, 'request'>,
  parts: ReadonlyMap<number, { items: Item[], at: number[] }>, call: Call<MessageOf<A, 'response'>>, frame: Frame,
): void {
  const results = new Array<Result>(shape.itemsOf(request).length)
  let left = parts.size
  for (const [broker, { items, at }] of parts) {
    const take = (answer: PartAnswer<MessageOf<A, 'response'>>): void => {
      const taken = 'response' in answer
        ? shape.resultsOf(answer.response)
        : items.map(item => shape.failed(item, answer.code, answer.message))
      for (const [index, place] of at.entries()) results[place] = taken[index]!
      if (--left === 0) call.respond(shape.responseOf(results))
    }
    const part = shape.withItems(request, items)
    if (broker === forwarder.brokerId) handler.handle(part, new PartCall(call, frame, take), frame)
    else ask(forwarder, broker, handler.api as A, part, FRAME_FLAG.forwarded, take)
  }
}

/** Asks one broker, whatever comes of it. */
function ask<A extends ApiName> (
  forwarder: Forwarder, broker: number, api: A, request: MessageOf<A, 'request'>, flag: number,
  take: (answer: PartAnswer<MessageOf<A, 'response'>>) => void, withinMs?: number,
): void {
  const { timeoutMs, maxWaitMs } = request as { timeoutMs?: number, maxWaitMs?: number }
  const waitMs = withinMs ?? timeoutMs ?? (maxWaitMs ?? 0) + TIMEOUT_MS
  forwarder.request(broker, api, request, flag, waitMs).then(
    response => take({ response }),
    (cause: Error) => {
      const { code, message, retryAfterMs } = cause instanceof ForwardError
        ? cause
        : new ForwardError(ERROR.LEADER_NOT_AVAILABLE, cause.message)
      take({ code, message, retryAfterMs })
    })
}

/** Relays an answer as it is. */
function relay<Response> (call: Call<Response>): (answer: PartAnswer<Response>) => void {
  return answer => {
    if ('response' in answer) call.respond(answer.response)
    else call.fail(answer.code, answer.message, answer.retryAfterMs)
  }
}

/** A handler that only the coordinator of the group may answer. */
export function byCoordinator<A extends 'joinGroup' | 'heartbeatGroup' | 'leaveGroup'> (
  forwarder: Forwarder, handler: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>>,
): ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>> {
  return {
    api: handler.api,
    handle (request, call, frame) {
      const broker = forwarder.coordinatorOf(request.group)
      if (broker === forwarder.brokerId || isRelayed(frame)) handler.handle(request, call, frame)
      else ask(forwarder, broker, handler.api as A, request, FRAME_FLAG.relayed, relay(call))
    },
  }
}

/**
 * Commits go to the coordinator, which knows the members, and from there to the leaders of the partitions, which store
 * them: in the order in which the coordinator allowed them, since that is one connection.
 */
export function commitByGroup (
  forwarder: Forwarder, atLeader: ApiHandler<CommitOffsetsRequest, CommitOffsetsResponse>,
  refusalOf: (request: CommitOffsetsRequest, item: OffsetToCommit) => { error: number, message: string } | null,
): ApiHandler<CommitOffsetsRequest, CommitOffsetsResponse> {
  const toLeaders = byLeader<'commitOffsets', OffsetToCommit, CommitResult>(forwarder, atLeader, COMMITS)
  return {
    api: 'commitOffsets',
    handle (request, call, frame) {
      if (isForwarded(frame)) return atLeader.handle(request, call, frame)
      const coordinator = forwarder.coordinatorOf(request.group)
      if (coordinator !== forwarder.brokerId && !isRelayed(frame)) {
        return ask(forwarder, coordinator, 'commitOffsets', request, FRAME_FLAG.relayed, relay(call))
      }
      const refused = new Map<OffsetToCommit, CommitResult>()
      for (const item of request.offsets) {
        const refusal = refusalOf(request, item)
        if (refusal !== null) refused.set(item, COMMITS.failed(item, refusal.error, refusal.message))
      }
      const allowed = request.offsets.filter(item => !refused.has(item))
      const answer = (stored: readonly CommitResult[]): void => {
        let next = 0
        call.respond({ results: request.offsets.map(item => refused.get(item) ?? stored[next++]!) })
      }
      if (allowed.length === 0) return answer([])
      const part = new PartCall(call, frame, taken => {
        if ('response' in taken) answer(taken.response.results)
        else call.fail(taken.code, taken.message, taken.retryAfterMs)
      })
      toLeaders.handle({ ...request, offsets: allowed }, part, frame)
    },
  }
}

/**
 * A handler whose answer is put together from those of all brokers, by id; those that do not answer are left out.
 *
 * @param timeoutMs how long others are waited for; left out: as long as the request says.
 */
export function byAll<A extends ApiName> (
  forwarder: Forwarder, handler: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>>,
  isFor: (request: MessageOf<A, 'request'>) => boolean,
  merge: (answers: ReadonlyMap<number, MessageOf<A, 'response'>>) => MessageOf<A, 'response'>,
  otherwise: ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>> = handler, timeoutMs?: number,
): ApiHandler<MessageOf<A, 'request'>, MessageOf<A, 'response'>> {
  return {
    api: handler.api,
    handle (request, call, frame) {
      if (isForwarded(frame)) return handler.handle(request, call, frame)
      if (!isFor(request)) return otherwise.handle(request, call, frame)
      const others = forwarder.others()
      const answers = new Map<number, MessageOf<A, 'response'>>()
      let left = others.length + 1
      let failure: Exclude<PartAnswer<unknown>, { response: unknown }> | null = null
      const takeOf = (broker: number) => (answer: PartAnswer<MessageOf<A, 'response'>>): void => {
        if ('response' in answer) answers.set(broker, answer.response)
        else failure = answer
        if (--left > 0) return
        if (answers.size > 0) call.respond(merge(answers))
        else call.fail(failure!.code, failure!.message, failure!.retryAfterMs)
      }
      handler.handle(request, new PartCall(call, frame, takeOf(forwarder.brokerId)), frame)
      for (const broker of others) {
        ask(forwarder, broker, handler.api as A, request, FRAME_FLAG.forwarded, takeOf(broker), timeoutMs)
      }
    },
  }
}
