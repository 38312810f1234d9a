// Reads accepted connections into one piece of memory that is used again and again.
//
// A socket that emits 'data' makes a buffer of up to 64 KiB for each read. That is memory outside of the heap which
// comes and goes by the megabyte, and the collector walks the whole heap for it. Node's remedy is the option `onread`,
// which it gives to outgoing connections only. So the handle of an accepted socket is moved to one that has it. Where
// a version of Node keeps handles elsewhere, 'data' does as well. TLS sockets decrypt into buffers of their own: they
// are not for this.

import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'

const READ_BYTES = 256 * 1024

/** One for all: what is read is looked at before the next read. */
const memory = Buffer.allocUnsafeSlow(READ_BYTES)

/**
 * The socket to use in the place of `accepted`, which has to come from a server with `pauseOnConnect`. It is half open
 * as long as wanted, and reads from its `resume` on.
 *
 * @param onBytes called with what has come; the bytes are valid during the call only.
 */
export function readInto (accepted: Socket, onBytes: (bytes: Buffer) => void): Socket {
  const holder = accepted as unknown as { _handle?: unknown }
  const handle = holder._handle
  if (handle === undefined || handle === null) return accepted.on('data', onBytes)
  holder._handle = null
  const onread: OnReadOpts = {
    buffer: memory,
    callback: size => {
      onBytes(memory.subarray(0, size))
      return true
    },
  }
  const options = { handle, onread, allowHalfOpen: true, pauseOnCreate: true }
  const socket = new Socket(options as unknown as SocketConstructorOpts)
  // The server counts the one that it accepted.
  socket.on('close', () => accepted.destroy())
  return socket
}
