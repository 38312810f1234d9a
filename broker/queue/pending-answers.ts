// Answers that wait until the deltas they rest on are durable. First in, first out: sequences only rise.

/** Called once, with true when everything up to the answer is durable; with false when that will never be known. */
export type Release = (isDurable: boolean) => void

export class PendingAnswers {
  private sequences: number[] = []
  private releases: Release[] = []
  private head = 0
  private durable = 0
  private latest = 0

  /** Highest sequence that an answer has waited for. */
  get latestSequence (): number { return this.latest }

  get size (): number { return this.sequences.length - this.head }

  get durableSequence (): number { return this.durable }

  /** `release` runs when delta `sequence` is durable; where it is, at the end of the turn all the same. */
  push (sequence: number, release: Release): void {
    this.sequences.push(sequence)
    this.releases.push(release)
    this.latest = sequence
  }

  releaseUpTo (sequence: number): void {
    this.durable = Math.max(this.durable, sequence)
    this.flush()
  }

  /** Runs what waits for nothing any more. */
  flush (): void {
    while (this.head < this.sequences.length && this.sequences[this.head]! <= this.durable) {
      this.releases[this.head++]!(true)
    }
    if (this.head === this.sequences.length || this.head > 1024) {
      this.sequences = this.sequences.slice(this.head)
      this.releases = this.releases.slice(this.head)
      this.head = 0
    }
  }

  /** The leader ends: nobody will hear from it again. */
  failAll (): void {
    const releases = this.releases.slice(this.head)
    this.sequences = []
    this.releases = []
    this.head = 0
    for (const release of releases) release(false)
  }
}
