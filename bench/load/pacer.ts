// Calls for records at a fixed rate, by the clock and not by the answers: what could not be sent in time is sent late,
// and its latency counts from when it should have been sent.
//
// Between records it sleeps where there is time for a timer (they fire up to a millisecond late) and spins through the
// event loop for the rest. The processor time of the driver says nothing about the client, therefore.

const SLEEP_MS_MIN = 3

export class Pacer {
  private readonly intervalMs: number
  private readonly onDue: (sequence: number) => void
  private startMs = 0
  private next = 0
  private running = false

  /** @param onDue called for every record, with its number. */
  constructor (recordsPerSecond: number, onDue: (sequence: number) => void) {
    this.intervalMs = 1000 / recordsPerSecond
    this.onDue = onDue
  }

  start (): void {
    this.startMs = performance.now()
    this.running = true
    this.turn()
  }

  stop (): void { this.running = false }

  /** When a record should have been sent, on the clock of `performance.now()`. */
  intendedMs (sequence: number): number {
    return this.startMs + sequence * this.intervalMs
  }

  private readonly turn = (): void => {
    if (!this.running) return
    const nowMs = performance.now()
    while (this.intendedMs(this.next) <= nowMs) this.onDue(this.next++)
    const leftMs = this.intendedMs(this.next) - nowMs
    if (leftMs >= SLEEP_MS_MIN) setTimeout(this.turn, leftMs - SLEEP_MS_MIN + 1)
    else setImmediate(this.turn)
  }
}
