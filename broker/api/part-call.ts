// A part of a client's request that this broker answers, while others answer the rest: what the handler says is taken
// here and not sent.

import type { Frame, MessageCodec } from '@sluice/protocol'
import { Call } from '../net/call.js'

export type PartAnswer<Response> =
  | {
    readonly response: Response
    /** What follows the response; left out where nothing does. */
    readonly payload?: readonly Buffer[]
    /** To be called when the payload has been sent, or is not needed. */
    readonly onSent?: (() => void) | null
  }
  | { readonly code: number, readonly message: string, readonly retryAfterMs: number }

export class PartCall<Response> extends Call<Response> {
  private readonly done: (answer: PartAnswer<Response>) => void

  constructor (call: Call<Response>, frame: Frame, done: (answer: PartAnswer<Response>) => void) {
    super(call.connection, frame, null as unknown as MessageCodec<Response>, call.slot)
    this.done = done
  }

  override respond (
    response: Response, payload: readonly Buffer[] = [], _payloadBytes = 0, onSent: (() => void) | null = null,
  ): void {
    if (this.answered) return
    this.answered = true
    this.done({ response, payload, onSent })
  }

  override finishSilently (): void { this.answered = true }

  override fail (code: number, message: string, retryAfterMs = 0): void {
    if (this.answered) return
    this.answered = true
    this.done({ code, message, retryAfterMs })
  }
}
