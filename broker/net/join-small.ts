// Puts small buffers that follow each other into one. A response of a few dozen bytes costs ten times its size while it
// waits in a socket as a buffer of its own, and a place in the system call; a copy of it costs next to nothing.

const SMALL_BYTES = 4 * 1024

/** The same bytes in the same order. Large buffers stay as they are. */
export function joinSmall (buffers: readonly Buffer[]): readonly Buffer[] {
  if (buffers.length === 1) return buffers
  const joined: Buffer[] = []
  let runStart = 0
  for (let index = 0; index <= buffers.length; index++) {
    if (index < buffers.length && buffers[index]!.length <= SMALL_BYTES) continue
    if (index - runStart === 1) joined.push(buffers[runStart]!)
    else if (index > runStart) joined.push(Buffer.concat(buffers.slice(runStart, index)))
    if (index < buffers.length) joined.push(buffers[index]!)
    runStart = index + 1
  }
  return joined
}
