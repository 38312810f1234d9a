// Keeps a partition's state log short: now and then everything that it adds up to is said anew, an image, and the log
// is cut off below.
//
//   ... deltas, offsets │ image/begin  offsets  snapshots  delayed … (other records between)  image/end │ deltas …
//                       └ the log starts here once image/end is durable
//
// An image is due when the log has grown by twice the last one, so that writing images costs at most half of what is
// written anyway. Offsets and snapshots are written at once; what delay stores hold, which can be much, a piece at a
// time, as the log takes it.

import { BATCH_FLAG, RecordBatchBuilder } from '@sluice/protocol'
import type { LedLog } from '../log/led-log.js'
import type { DelayImage } from '../queue-host/delay-image.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { STATE_KEY } from '../queue-host/state-records.js'
import type { GroupOffset } from './committed-offsets.js'

export interface StateImageSource {
  wallMs (): number
  endOfTurn (run: () => void): void
  /** False while a group has changes that are not in the log: no snapshot of it would fit. */
  readonly isQuiet: boolean
  /** Every committed offset as the log says it so far. */
  committedOffsets (): Iterable<readonly [string, GroupOffset]>
  groups (): Iterable<HostedQueueGroup>
}

/** A state log is left alone until it has grown by so many bytes. */
export const STATE_LOG_BYTES_MIN = 4 * 1024 * 1024
/** Bytes of one record of an image. */
const PIECE_BYTES = 256 * 1024

interface RunningImage {
  readonly begin: number
  bytes: number
  /** Delay stores that are still being written, and whose they are. */
  readonly delayed: { group: HostedQueueGroup, image: DelayImage }[]
}

export class StateImageWriter {
  private readonly led: LedLog
  private readonly source: StateImageSource
  private readonly minBytes: number
  private grownBytes: number
  private imageBytes: number
  private running: RunningImage | null = null
  /** The log has no room for the next piece. */
  private waits = false
  /** A complete image that is not durable yet: the log may start at `begin` when it is durable up to `end`. */
  private complete: { begin: number, end: number } | null = null

  constructor (led: LedLog, source: StateImageSource, minBytes = STATE_LOG_BYTES_MIN) {
    this.led = led
    this.source = source
    this.minBytes = minBytes
    // How much of the log is its image is not written anywhere; half is a fair guess.
    this.grownBytes = this.imageBytes = led.log.sizeBytes / 2
  }

  /** So many bytes were appended to the log. An image may begin now. */
  onAppended (bytes: number): void {
    this.grownBytes += bytes
    if (this.running !== null || this.complete !== null || !this.source.isQuiet) return
    const isDue = this.grownBytes >= Math.max(this.minBytes, 2 * this.imageBytes)
    if (isDue && this.led.hasRoom(PIECE_BYTES)) this.begin()
  }

  /** More of the log is durable, or it takes appends again. */
  onAdvance (): void {
    if (this.waits) this.step()
    const { complete, led } = this
    if (complete === null || led.settledOffset < complete.end) return
    this.complete = null
    // It only saves reading: where it fails, the next image does it.
    led.log.setStartOffset(complete.begin).catch(() => {})
  }

  /** Writes an image now; resolves when it is durable. Nothing else may be appended meanwhile. */
  async writeNow (): Promise<void> {
    const { led, led: { log } } = this
    if (!led.hasRoom(PIECE_BYTES)) throw new Error(`the state log takes nothing: ${log.stateReason}`)
    this.begin()
    while (this.running !== null) {
      await log.flush()
      if (log.state !== 'online') throw new Error(`the state log takes nothing: ${log.stateReason}`)
      this.step()
    }
    await log.flush()
    this.onAdvance()
  }

  private begin (): void {
    this.running = { begin: this.led.log.nextOffset, bytes: 0, delayed: [] }
    const builder = new RecordBatchBuilder()
    const nowMs = this.source.wallMs()
    builder.append(STATE_KEY.imageBegin, null, nowMs)
    for (const [group, offset] of this.source.committedOffsets()) {
      this.add(builder, STATE_KEY.offset + group, Buffer.from(JSON.stringify(offset)))
    }
    for (const group of this.source.groups()) {
      const snapshot = group.idle.state.snapshot()
      for (let at = 0; at < snapshot.length; at += PIECE_BYTES) {
        this.add(builder, STATE_KEY.snapshot + group.name, snapshot.subarray(at, at + PIECE_BYTES))
      }
      if (group.delayed.size > 0) this.running.delayed.push({ group, image: group.delayed.beginImage() })
    }
    this.append(builder)
    this.source.endOfTurn(() => this.step())
  }

  private step (): void {
    const { running, led } = this
    if (running === null) return
    this.waits = !led.hasRoom(2 * PIECE_BYTES)
    if (this.waits) return
    const [next] = running.delayed
    if (next === undefined) return this.finish(running)
    const piece = next.image.next()
    if (piece === null) {
      next.group.delayed.endImage()
      running.delayed.shift()
    } else {
      const builder = new RecordBatchBuilder()
      builder.append(STATE_KEY.delayed + next.group.name, piece, this.source.wallMs())
      this.append(builder)
    }
    this.source.endOfTurn(() => this.step())
  }

  private finish ({ begin, bytes }: RunningImage): void {
    const builder = new RecordBatchBuilder()
    builder.append(STATE_KEY.imageEnd, JSON.stringify({ begin }), this.source.wallMs())
    this.append(builder)
    this.running = null
    this.imageBytes = bytes
    this.grownBytes = 0
    this.complete = { begin, end: this.led.log.nextOffset }
    this.onAdvance()
  }

  private add (builder: RecordBatchBuilder, key: string, value: Uint8Array): void {
    if (builder.recordCount > 0 && builder.size + value.length > 2 * PIECE_BYTES) this.append(builder)
    builder.append(key, value, this.source.wallMs())
  }

  private append (builder: RecordBatchBuilder): void {
    const batch = builder.build({ flags: BATCH_FLAG.control })
    this.led.append(batch)
    this.running!.bytes += batch.length
  }
}
