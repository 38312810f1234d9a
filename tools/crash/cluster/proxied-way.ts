// One way of a connection through a proxy: a queue of chunks, each with the time from which on it may go.

import type { Socket } from 'node:net'
import type { SeededRandom } from '../seeded-random.js'
import { PASSING, type LinkRule } from './link-rule.js'

/** What TCP takes to send again what was lost, in milliseconds. */
const RETRANSMIT_MS_MIN = 200
const RETRANSMIT_MS_MAX = 600
/** What may wait before the sender is not read any more, in bytes. */
const HELD_BYTES_MAX = 1024 * 1024

export class ProxiedWay {
  private readonly from: Socket
  private readonly to: Socket
  private readonly random: SeededRandom
  private readonly chunks: { bytes: Buffer | null, dueMs: number }[] = []
  private heldBytes = 0
  private isHeld = false
  private rule: LinkRule = PASSING
  private timer: NodeJS.Timeout | null = null
  private isBlocked = false

  constructor (from: Socket, to: Socket, random: SeededRandom) {
    this.from = from
    this.to = to
    this.random = random
    from.setNoDelay(true)
    from.on('error', () => {})
    from.on('data', bytes => this.take(bytes as Buffer))
    from.on('end', () => this.take(null))
    // Whoever is cut off does not notice that the other side is gone.
    from.on('close', hadError => {
      if (hadError && !this.isHeld) to.destroy()
      else this.take(null)
    })
    to.on('drain', () => {
      this.isBlocked = false
      this.pump()
    })
    to.on('close', () => { if (this.timer !== null) clearTimeout(this.timer) })
  }

  follow (isHeld: boolean, rule: LinkRule): void {
    this.isHeld = isHeld
    this.rule = rule
    this.pump()
  }

  private take (bytes: Buffer | null): void {
    const { delayMs = 0, lossShare = 0 } = this.rule
    const isLost = lossShare > 0 && this.random.chance(lossShare)
    const lateMs = delayMs + (isLost ? this.random.between(RETRANSMIT_MS_MIN, RETRANSMIT_MS_MAX) : 0)
    const dueMs = Math.max(this.chunks.at(-1)?.dueMs ?? 0, performance.now() + lateMs)
    this.chunks.push({ bytes, dueMs })
    this.heldBytes += bytes?.length ?? 0
    if (this.heldBytes > HELD_BYTES_MAX) this.from.pause()
    this.pump()
  }

  private pump (): void {
    const { chunks, to } = this
    while (!this.isHeld && !this.isBlocked && chunks.length > 0 && !to.destroyed) {
      const waitMs = chunks[0]!.dueMs - performance.now()
      if (waitMs > 0) {
        this.timer ??= setTimeout(() => {
          this.timer = null
          this.pump()
        }, waitMs)
        return
      }
      const { bytes } = chunks.shift()!
      if (bytes === null) to.end()
      else {
        this.heldBytes -= bytes.length
        this.isBlocked = !to.write(bytes)
      }
    }
    if (this.heldBytes <= HELD_BYTES_MAX && this.from.isPaused()) this.from.resume()
  }
}
