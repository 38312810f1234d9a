// Sends a record to each partition in turn at a steady rate, and notes how long each partition went without an
// acknowledgement.
//
//   acks of a partition   · · · · ·                · · · · ·
//                                 ├── longest gap ─┤
//                               ↑ fault            ↑ back: a record is acknowledged that was sent after the fault
//
// Times are those of the wall clock, which the process that makes the fault has too. The schedule is kept by a timer:
// gaps are exact to a few milliseconds, and no processor is spent on waiting that the brokers need to recover.

import { connect, type Client, type Producer } from '@sluice/client'
import type { PulseRound, PulseSetup, PulseStanding } from './pulse-calls.js'

const TICK_MS = 5

export class PartitionPulse {
  private readonly setup: PulseSetup
  private readonly value: Buffer
  private readonly lastAckMs: Float64Array
  private readonly longestGapMs: Float64Array
  /** Since the fault; -1: not yet. */
  private readonly backAfterMs: Float64Array
  private client: Client | null = null
  private producer: Producer | null = null
  private timer: NodeJS.Timeout | undefined
  private startMs = 0
  private next = 0
  private faultMs = Infinity
  private acknowledged = 0
  private readonly failures: string[] = []

  constructor (setup: PulseSetup) {
    this.setup = setup
    this.value = Buffer.alloc(setup.size, 'x')
    const { partitions } = setup
    this.lastAckMs = new Float64Array(partitions)
    this.longestGapMs = new Float64Array(partitions)
    this.backAfterMs = new Float64Array(partitions)
  }

  /** Every partition has acknowledged a record when it resolves. */
  async prepare (): Promise<void> {
    const { addresses, topic, partitions, size } = this.setup
    this.client = connect({ brokers: [...addresses], clientId: 'sluice-bench-pulse' })
    this.producer = this.client.topic(topic).producer({ lingerMs: 0 })
    const value = Buffer.alloc(size)
    const first = Array.from({ length: partitions }, (_, partition) => this.producer!.send({ partition, value }))
    await Promise.all(first)
  }

  start (): void {
    this.startMs = wallMs()
    this.lastAckMs.fill(this.startMs)
    this.timer = setInterval(() => this.sendDue(), TICK_MS)
  }

  /** Forgets what was noted. */
  beginRound (): void {
    this.longestGapMs.fill(0)
    this.backAfterMs.fill(-1)
    this.faultMs = Infinity
    this.acknowledged = 0
    this.failures.length = 0
  }

  /** From `atMs` on something was wrong with these partitions: each is sent a record at once, whoever's turn it is. */
  noteFault (atMs: number, partitions: readonly number[]): void {
    this.faultMs = atMs
    for (const partition of partitions) this.send(partition)
  }

  /** @param partitions whose standing is asked for. */
  standing (partitions: readonly number[]): PulseStanding {
    const waiting = partitions.filter(partition => this.backAfterMs[partition]! < 0).length
    return { waiting, failed: this.failures.length }
  }

  endRound (): PulseRound {
    return {
      longestGapMs: [...this.longestGapMs],
      backAfterMs: [...this.backAfterMs],
      acknowledged: this.acknowledged,
      failures: [...this.failures],
    }
  }

  async stop (): Promise<void> {
    clearInterval(this.timer)
    await this.producer!.flush()
    await this.client!.close()
  }

  private sendDue (): void {
    const { partitions, rate } = this.setup
    const due = (wallMs() - this.startMs) * rate / 1000
    for (; this.next < due; this.next++) this.send(this.next % partitions)
  }

  private send (partition: number): void {
    const sentMs = wallMs()
    this.producer!.send({ partition, value: this.value }).then(
      () => this.onAck(partition, sentMs),
      (error: Error) => { this.failures.push(`partition ${partition}: ${error.message}`) })
  }

  private onAck (partition: number, sentMs: number): void {
    const nowMs = wallMs()
    this.acknowledged++
    const gapMs = nowMs - this.lastAckMs[partition]!
    this.lastAckMs[partition] = nowMs
    if (gapMs > this.longestGapMs[partition]!) this.longestGapMs[partition] = gapMs
    if (sentMs >= this.faultMs && this.backAfterMs[partition]! < 0) this.backAfterMs[partition] = nowMs - this.faultMs
  }
}

/** The wall clock with the resolution of the monotonic one. */
export function wallMs (): number {
  return performance.timeOrigin + performance.now()
}
