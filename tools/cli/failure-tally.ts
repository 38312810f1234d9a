// Failures of many records: how many, and the first few reasons.

const REASONS_MAX = 10

export class FailureTally {
  count = 0
  readonly reasons: string[] = []

  /** One more failed, for this reason. */
  add (reason: string): void {
    this.count++
    this.reason(reason)
  }

  /** A reason for failures that are counted elsewhere. */
  reason (text: string): void {
    if (this.reasons.length < REASONS_MAX && !this.reasons.includes(text)) this.reasons.push(text)
    else if (this.reasons.length === REASONS_MAX) this.reasons.push('… and more')
  }
}
