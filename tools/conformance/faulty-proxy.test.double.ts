// A proxy in front of a broker that spoils its responses, for testing the judge.

import { connect, createServer, type Socket } from 'node:net'
import { API_KEY, FrameIntake } from '@sluice/protocol'

export interface ProxyFault {
  /** Changes a response in place. Hello passes unharmed. */
  change?: (frame: Buffer) => void
  /** True for a response that gets lost. */
  drop?: (frame: Buffer) => boolean
  /** Swaps the first two responses that come in one piece. */
  reorder?: boolean
  /** Does not pass on that the broker has closed the connection. */
  keepOpen?: boolean
}

/** Starts the proxy on a free port of 127.0.0.1. */
export async function startFaultyProxy (
  brokerPort: number, fault: ProxyFault,
): Promise<{ port: number, close: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const broker = connect({ host: '127.0.0.1', port: brokerPort })
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    client.pipe(broker)
    let frames: Buffer[] = []
    const reader = new FrameIntake(({ bytes, bodyStart, payloadEnd }) => {
      frames.push(bytes.subarray(bodyStart - 16, payloadEnd))
    })
    broker.on('data', chunk => {
      reader.push(chunk)
      client.write(Buffer.concat(spoiled(frames, fault)))
      frames = []
    })
    broker.on('close', () => { if (fault.keepOpen !== true) client.end() })
    client.on('close', () => broker.destroy())
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    port: (server.address() as { port: number }).port,
    close () {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

function spoiled (frames: Buffer[], { change, drop, reorder }: ProxyFault): Buffer[] {
  const later = frames.filter(frame => frame.readUInt16BE(4) !== API_KEY.hello)
  const kept = frames.filter(frame => !later.includes(frame))
  if (reorder === true && later.length > 1) later.unshift(...later.splice(1, 1))
  for (const frame of later) change?.(frame)
  return [...kept, ...later.filter(frame => drop?.(frame) !== true)]
}
