// One line that says how far something is, rewritten in place: on a terminal only, at most a few times a second.

const INTERVAL_MS = 200

export class ProgressLine {
  private readonly enabled: boolean
  private lastShownAtMs = 0
  private shown = false

  constructor (stream: { isTTY?: boolean } = process.stderr) {
    this.enabled = stream.isTTY === true
  }

  /** Shows what `text` returns, unless something was shown just now. */
  update (text: () => string): void {
    if (!this.enabled) return
    const nowMs = performance.now()
    if (nowMs - this.lastShownAtMs < INTERVAL_MS) return
    this.lastShownAtMs = nowMs
    this.shown = true
    process.stderr.write(`\r\x1b[K${text()}`)
  }

  /** Takes the line away. */
  clear (): void {
    if (this.shown) process.stderr.write('\r\x1b[K')
    this.shown = false
  }
}
