// A capture file of a made-up TCP conversation: what Wireshark reads, without a network.
//
//   file header │ per packet: packet header │ IPv4 header (20) │ TCP header (20) │ bytes

/** One piece of TCP data; `fromServer` tells the direction. */
export interface Segment { fromServer: boolean, bytes: Buffer }

const LINK_TYPE_RAW_IP = 101
const CLIENT_PORT = 50_000

/** A capture of the segments, in order, between a client and a server on `serverPort`. */
export function pcapOf (segments: readonly Segment[], serverPort: number): Buffer {
  const file = Buffer.alloc(24)
  file.writeUInt32LE(0xa1b2c3d4, 0)
  file.writeUInt16LE(2, 4)
  file.writeUInt16LE(4, 6)
  file.writeUInt32LE(262_144, 16)
  file.writeUInt32LE(LINK_TYPE_RAW_IP, 20)
  const sent = { client: 1, server: 1 }
  const packets = segments.map(({ fromServer, bytes }, index) => {
    const packet = Buffer.alloc(16 + 40)
    packet.writeUInt32LE(index, 0)
    packet.writeUInt32LE(40 + bytes.length, 8)
    packet.writeUInt32LE(40 + bytes.length, 12)
    const sequence = fromServer ? sent.server : sent.client
    writeIp(packet.subarray(16), 40 + bytes.length, fromServer)
    const tcp = packet.subarray(36)
    tcp.writeUInt16BE(fromServer ? serverPort : CLIENT_PORT, 0)
    tcp.writeUInt16BE(fromServer ? CLIENT_PORT : serverPort, 2)
    tcp.writeUInt32BE(sequence, 4)
    tcp.writeUInt32BE(fromServer ? sent.client : sent.server, 8)
    tcp.writeUInt16BE(0x5018, 12) // five words, PSH and ACK
    tcp.writeUInt16BE(0xffff, 14)
    if (fromServer) sent.server += bytes.length
    else sent.client += bytes.length
    return Buffer.concat([packet, bytes])
  })
  return Buffer.concat([file, ...packets])
}

function writeIp (ip: Buffer, totalBytes: number, fromServer: boolean): void {
  ip[0] = 0x45
  ip.writeUInt16BE(totalBytes, 2)
  ip[8] = 64
  ip[9] = 6
  ip.set(fromServer ? [10, 0, 0, 2, 10, 0, 0, 1] : [10, 0, 0, 1, 10, 0, 0, 2], 12)
}
