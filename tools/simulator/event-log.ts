// What happened, as a hash over all of it, and in words where somebody wants to read. Two runs of a seed must come to
// the same hash.

const LINES_MAX = 400

export class EventLog {
  private readonly countsByKind = new Map<string, number>()
  private readonly keptLines: string[] = []
  private readonly isKept: boolean
  private low = 0x811c9dc5
  private high = 0x01000193

  /** @param isKept keeps the last lines, for a failure to be read. */
  constructor (isKept: boolean) {
    this.isKept = isKept
  }

  /** Notes an event. `kind` is what coverage is counted by. */
  add (nowMs: number, kind: string, detail: string): void {
    this.countsByKind.set(kind, (this.countsByKind.get(kind) ?? 0) + 1)
    this.mix(kind)
    this.mix(detail)
    this.low = Math.imul(this.low ^ Math.floor(nowMs * 1000), 0x01000193)
    if (!this.isKept) return
    this.keptLines.push(`${nowMs.toFixed(3).padStart(12)} ${kind} ${detail}`)
    if (this.keptLines.length > LINES_MAX * 2) this.keptLines.splice(0, LINES_MAX)
  }

  /** How often each kind happened. */
  get counts (): ReadonlyMap<string, number> { return this.countsByKind }

  get lines (): readonly string[] { return this.keptLines }

  get hash (): string {
    return (this.high >>> 0).toString(16).padStart(8, '0') + (this.low >>> 0).toString(16).padStart(8, '0')
  }

  private mix (text: string): void {
    for (let index = 0; index < text.length; index++) {
      this.low = Math.imul(this.low ^ text.charCodeAt(index), 0x01000193)
      this.high = Math.imul(this.high + this.low, 0x85ebca6b) ^ (this.high >>> 13)
    }
  }
}
