// Calls for records at a fixed rate, by the clock and not by the answers: what could not be sent in time is sent late,
// and its latency counts from when it should have been sent.
//
// Between records it sleeps where there is time for a timer (they fire up to a millisecond late) and spins through the
// event loop for the rest. The processor time of the driver says nothing about the client, therefore.

const SLEEP_MS_MIN = 3

export class Pacer {
  private readonly intervalMs: number
  private readonly onDue: (sequence: number) => boolean
  private startMs = 0
  private next = 0
  private state: 'stopped' | 'running' | 'held' = 'stopped'

  /** @param onDue called for every record, with its number; false holds further ones until `resume`. */
  constructor (recordsPerSecond: number, onDue: (sequence: number) => boolean) {
    this.intervalMs = 1000 / recordsPerSecond
    this.onDue = onDue
  }

  /** Records called for so far. */
  get count (): number { return this.next }

  start (): void {
    this.startMs = performance.now()
    this.state = 'running'
    this.turn()
  }

  stop (): void { this.state = 'stopped' }

  /** Goes on after a record was answered with false. The schedule has gone on meanwhile. */
  resume (): void {
    if (this.state !== 'held') return
    this.state = 'running'
    this.turn()
  }

  /** When a record should have been sent, on the clock of `performance.now()`. */
  intendedMs (sequence: number): number {
    return this.startMs + sequence * this.intervalMs
  }

  private readonly turn = (): void => {
    if (this.state !== 'running') return
    const nowMs = performance.now()
    while (this.intendedMs(this.next) <= nowMs) {
      if (this.onDue(this.next++)) continue
      this.state = 'held'
      return
    }
    const leftMs = this.intendedMs(this.next) - nowMs
    if (leftMs >= SLEEP_MS_MIN) setTimeout(this.turn, leftMs - SLEEP_MS_MIN + 1)
    else setImmediate(this.turn)
  }
}
