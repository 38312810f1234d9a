// Watches the event loop of a process that consumes: a handler that computes for long keeps heartbeats from being sent.
//
// A timer that fires late by more than a third of the session timeout is worth a warning, with the record that was
// handed out last: most likely its handler did it.

import type { Cluster } from '../connection/cluster.js'

/** See the head of this file. */
export class LoopWatch {
  /** The record handed out last. */
  current: { readonly topic: string, readonly partition: number, readonly offset: number } | null = null
  private readonly cluster: Cluster
  private readonly group: string
  private sessionTimeoutMs: number
  private timer: NodeJS.Timeout | null = null

  constructor (cluster: Cluster, group: string, sessionTimeoutMs: number) {
    this.cluster = cluster
    this.group = group
    this.sessionTimeoutMs = sessionTimeoutMs
  }

  start (): void {
    const intervalMs = Math.min(1_000, Math.max(20, Math.floor(this.sessionTimeoutMs / 12)))
    let expectedAtMs = performance.now() + intervalMs
    this.timer = setInterval(() => {
      const nowMs = performance.now()
      const ms = Math.round(nowMs - expectedAtMs)
      expectedAtMs = nowMs + intervalMs
      if (ms > this.sessionTimeoutMs / 3) this.warn(ms)
    }, intervalMs).unref()
  }

  /** The broker has told how long it waits for a sign of life. */
  setSessionTimeout (sessionTimeoutMs: number): void {
    if (sessionTimeoutMs === this.sessionTimeoutMs) return
    this.sessionTimeoutMs = sessionTimeoutMs
    if (this.timer === null) return
    this.stop()
    this.start()
  }

  stop (): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  private warn (ms: number): void {
    const { group, sessionTimeoutMs, current } = this
    const record = current === null
      ? null
      : { topic: current.topic, partition: current.partition, offset: current.offset }
    this.cluster.settings.logger.warn({ group, ms, sessionTimeoutMs, record },
      'the event loop stood still, so that no heartbeat could be sent: move long computations to a worker thread')
    this.cluster.events.emit('blocked', { group, ms, sessionTimeoutMs, record })
  }
}
