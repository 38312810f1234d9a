// Loaded into a broker process beside the broker (`node --expose-gc --import`): answers every message of its parent
// with what the process holds after a full garbage collection.

/** Bytes. */
export interface MemoryFigures {
  /** Objects on the heap, and what they hold outside of it. */
  readonly heldBytes: number
  readonly heapUsed: number
  readonly external: number
  readonly rss: number
}

const { gc } = globalThis as { gc?: () => void }

process.on('message', () => {
  // Array buffers are let go of one collection later.
  gc?.()
  gc?.()
  setImmediate(() => {
    gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    process.send!({ heldBytes: heapUsed + external, heapUsed, external, rss } satisfies MemoryFigures)
  })
})
// Who listens to the parent must still be able to end.
process.channel?.unref()
