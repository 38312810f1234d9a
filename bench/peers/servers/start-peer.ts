// Finds and starts the servers of peers.

import type { ServerUsage } from '../../measure/external-probe.js'
import { startExternalServer } from '../../process/external-server.js'
import type { RunningServer } from '../../process/servers.js'
import { librariesOf } from '../libraries.js'
import { peerOf, type Peer, type PeerName } from '../peer-table.js'
import { BEANSTALKD_SERVER } from './beanstalkd-server.js'
import { NATS_SERVER } from './nats-server.js'
import type { Found, PeerServer } from './peer-server.js'
import { RABBITMQ_SERVER } from './rabbitmq-server.js'
import { REDIS_SERVER } from './redis-server.js'

/** A peer that can be measured here. */
export interface ReadyPeer {
  readonly name: PeerName
  readonly program: string
  /** Of server and libraries. */
  readonly versions: string
}

/** Looks for server and libraries of a peer. */
export async function findPeer (name: PeerName, libraries: string): Promise<ReadyPeer | { readonly missing: string }> {
  const peer = peerOf(name)
  const found = await withServer(peer, (server, settings): Promise<Found> => server.find(settings))
  if ('missing' in found) return found
  const versions = librariesOf(peer.client, libraries)
  if (versions === null) return { missing: 'its client library is not installed: sluice bench peers --install' }
  return { name, program: found.program, versions: `${peer.server.kind} ${found.version}, ${versions}` }
}

/**
 * Starts the server of a peer, or so many as a cluster, with its files below `folder`.
 *
 * @throws BenchError with what it said.
 */
export async function startPeer (
  { name, program }: ReadyPeer, libraries: string, servers: number, folder: string,
): Promise<RunningServer<ServerUsage | null>> {
  const spec = await withServer(peerOf(name), (server, settings) => server.prepare(program, settings, folder, servers))
  const port = spec.clientPort ?? spec.ports[0]!
  return startExternalServer({ ...spec, folder }, { kind: 'peer', peer: name, port, replicas: servers, libraries })
}

/** Calls `use` with the server of a peer and the settings that it understands. */
function withServer<Result> (
  { server, client }: Peer, use: <Settings>(server: PeerServer<Settings>, settings: Settings) => Result,
): Result {
  switch (server.kind) {
    case 'nats': return use(NATS_SERVER, server)
    case 'redis': return use(REDIS_SERVER, server)
    case 'beanstalkd': return use(BEANSTALKD_SERVER, server)
    case 'rabbitmq': return use(RABBITMQ_SERVER, { protocol: client === 'rabbitmq-quorum' ? 'amqp' : 'stream' })
  }
}
