// produce in a cluster: each batch goes to the leader of its partition.

import {
  API_KEY, messageCodec, type Frame, type ProduceBatch, type ProduceRequest, type ProduceResponse,
  type ProduceResult,
} from '@sluice/protocol'
import type { ApiHandler, Call } from '../net/call.js'
import { PartCall, type PartAnswer } from './part-call.js'
import { produceFault, produceHandler } from './produce.js'
import { ask, passOn, type Part, type Router } from './routed-parts.js'

export function routedProduce (router: Router): ApiHandler<ProduceRequest, ProduceResponse> {
  const handler = produceHandler(router.services)
  return {
    api: 'produce',
    handle (request, call, frame) {
      const parts = router.partsOf(frame, request.batches, batch => router.leaderOf(batch))
      if (parts === null || produceFault(request, frame) !== null) return handler.handle(request, call, frame)
      const isAnswered = request.acks !== 'none'
      if (parts.length > 1) {
        if (isAnswered) scatter(request, parts, call, frame)
        else scatterSilently(request, parts, call, frame)
        return
      }
      const upstream = router.routeOf(call).to(parts[0]!.broker)
      if (isAnswered) return passOn(upstream, call, frame, router.dueMs(request.timeoutMs))
      upstream.passSilently(frame, () => call.finishSilently())
    },
  }

  function scatter (
    request: ProduceRequest, parts: readonly Part<ProduceBatch>[], call: Call<ProduceResponse>, frame: Frame,
  ): void {
    const results = new Array<ProduceResult>(request.batches.length)
    const payloads = payloadsOf(request, frame)
    let left = parts.length
    for (const { broker, items, at } of parts) {
      const part = { ...request, batches: items }
      const payload = at.map(index => payloads[index]!)
      const take = (answer: PartAnswer<ProduceResponse>): void => {
        for (const [index, place] of at.entries()) {
          results[place] = 'response' in answer ? answer.response.results[index]! : failed(items[index]!, answer)
        }
        if (--left === 0) call.respond({ throttleMs: 0, results })
      }
      if (broker === router.brokerId) {
        const own = frameOf(frame, payload)
        handler.handle(part, new PartCall(call, own, take), own)
      } else {
        ask(router.routeOf(call).to(broker), 'produce', part, payload, router.dueMs(request.timeoutMs), take)
      }
    }
  }

  function scatterSilently (
    request: ProduceRequest, parts: readonly Part<ProduceBatch>[], call: Call<ProduceResponse>, frame: Frame,
  ): void {
    const payloads = payloadsOf(request, frame)
    let left = parts.length
    const done = (): void => { if (--left === 0) call.finishSilently() }
    for (const { broker, items, at } of parts) {
      const part = { ...request, batches: items }
      const payload = at.map(index => payloads[index]!)
      if (broker === router.brokerId) {
        const own = frameOf(frame, payload)
        handler.handle(part, new PartCall(call, own, () => {}), own)
        done()
      } else {
        const upstream = router.routeOf(call).to(broker)
        const head = upstream.headOf(API_KEY.produce, 1)
        const message = messageCodec('produce', 'request').encodeFrame(head, part, sizeOf(payload))
        upstream.sendSilently([message, ...payload], done)
      }
    }
  }
}

/** The batches, in memory of their own: the frame is valid for the moment only. */
function payloadsOf ({ batches }: ProduceRequest, frame: Frame): Buffer[] {
  const all = Buffer.from(frame.bytes.subarray(frame.bodyEnd, frame.payloadEnd))
  let position = 0
  return batches.map(({ size }) => {
    position += size
    return all.subarray(position - size, position)
  })
}

function sizeOf (buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0)
}

/** A frame with some of the batches. */
function frameOf (frame: Frame, payload: readonly Buffer[]): Frame {
  const bytes = Buffer.concat(payload)
  return { ...frame, bytes, bodyStart: 0, bodyEnd: 0, payloadEnd: bytes.length }
}

function failed ({ partition }: ProduceBatch, { code, message }: { code: number, message: string }): ProduceResult {
  return {
    partition,
    error: code,
    message,
    baseOffset: -1,
    logStartOffset: -1,
    duplicate: false,
    leader: -1,
    leaderEpoch: -1,
    duplicateRecords: [],
  }
}
