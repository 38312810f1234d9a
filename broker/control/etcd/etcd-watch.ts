// The changes below one prefix, over as many streams as it takes.
//
//   open ─ created ─ events … ─ broken ─▶ open again after the last event ─ created ─ events …
//                                 └ too old: compacted ─▶ open from now on ─ created ─▶ list again
//
// `nextRevision` is one above the last event that was told of, not above the revision that a response's head names:
// that one may count changes whose events are still on their way.

import type { EtcdConnection } from './etcd-connection.js'
import { CALLS, EVENT_DELETE, type KeyValue, type WatchResponse } from './etcd-schema.js'

export interface EtcdWatchHandlers {
  /** `isDelete`: the key is no more; `modRevision` says since when. */
  readonly onEvent: (kv: KeyValue, isDelete: boolean) => void
  readonly onListAgain: () => void
}

const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 1_000
/** From now on. */
const NOW = 0

export class EtcdWatch {
  private readonly connection: EtcdConnection
  private readonly key: Buffer
  private readonly rangeEnd: Buffer
  private readonly handlers: EtcdWatchHandlers
  private stream: { cancel (): void } | null = null
  private nextRevision = NOW
  private retryMs = RETRY_MS_MIN
  /** Of the current attempt: what comes from an earlier one is dropped. */
  private attempt = 0
  private ended = false
  private timer: NodeJS.Timeout | undefined

  /** @param rangeEnd exclusive. */
  constructor (connection: EtcdConnection, key: Buffer, rangeEnd: Buffer, handlers: EtcdWatchHandlers) {
    this.connection = connection
    this.key = key
    this.rangeEnd = rangeEnd
    this.handlers = handlers
    this.open()
  }

  end (): void {
    this.ended = true
    this.attempt++
    clearTimeout(this.timer)
    this.stream?.cancel()
    this.stream = null
  }

  /** Something may have been missed. */
  listAgain (): void {
    if (!this.ended) this.handlers.onListAgain()
  }

  private open (): void {
    const attempt = ++this.attempt
    const isCurrent = (): boolean => attempt === this.attempt
    // A member that takes the stream and says nothing is left for another one.
    this.timer = setTimeout(() => {
      this.connection.turn()
      this.openAgain()
    }, 2 * this.connection.callTimeoutMs)
    this.connection.stream(CALLS.watch,
      response => { if (isCurrent()) this.onResponse(response) },
      () => { if (isCurrent()) this.openAgain() },
    ).then(stream => {
      if (!isCurrent()) return stream.cancel()
      this.stream = stream
      const { key, rangeEnd, nextRevision } = this
      stream.write({ createRequest: { key, rangeEnd, startRevision: String(nextRevision) } })
    }, () => { if (isCurrent()) this.openAgain() })
  }

  private openAgain (): void {
    this.attempt++
    this.stream?.cancel()
    this.stream = null
    clearTimeout(this.timer)
    if (this.ended || this.connection.isClosed) return
    this.timer = setTimeout(() => this.open(), this.retryMs)
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX)
  }

  private onResponse (response: WatchResponse): void {
    const { header, created, canceled, compactRevision, cancelReason, events } = response
    if (canceled) {
      if (Number(compactRevision) > 0) this.nextRevision = NOW
      if (/permission denied|auth/.test(cancelReason)) this.connection.forgetToken()
      return this.openAgain()
    }
    if (created) {
      clearTimeout(this.timer)
      this.retryMs = RETRY_MS_MIN
      if (this.nextRevision === NOW) this.nextRevision = Number(header.revision) + 1
      this.listAgain()
    }
    for (const { type, kv } of events) {
      // The handler of an earlier one may have ended this watch.
      if (this.ended) return
      this.nextRevision = Number(kv.modRevision) + 1
      this.handlers.onEvent(kv, type === EVENT_DELETE)
    }
  }
}
