// What went wrong in words for the person at the keyboard: the cause, and what to do next.

/** Thrown for everything that the caller can mend; anything else is a fault of the program. */
export class BenchError extends Error {
  /** 1: it was tried and failed; 2: wrong options or files, nothing was tried. */
  readonly exitCode: 1 | 2

  constructor (exitCode: 1 | 2, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'BenchError'
    this.exitCode = exitCode
  }
}
