// NATS with JetStream, alone or as a cluster.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, type ExternalCommand } from '../../process/external-server.js'
import { findWithVersion, type PeerServer } from './peer-server.js'

export interface NatsSettings { readonly syncAlways: boolean }

/** The first version that can sync before it acknowledges. */
const SYNC_SINCE = [2, 10] as const

export const NATS_SERVER: PeerServer<NatsSettings> = {
  async find ({ syncAlways }) {
    const found = await findWithVersion('nats-server', '--version', /v(\d+\.\d+\.\d+)/, 'apt-get install nats-server')
    if ('missing' in found || !syncAlways) return found
    const [major, minor] = found.version.split('.').map(Number) as [number, number]
    const isKnown = major > SYNC_SINCE[0] || (major === SYNC_SINCE[0] && minor >= SYNC_SINCE[1])
    return isKnown ? found : { missing: `sync_interval came with nats-server 2.10, and ${found.version} is installed` }
  },

  async prepare (program, { syncAlways }, folder, servers) {
    const ports = await freePorts(2 * servers)
    const clientPorts = ports.slice(0, servers)
    const routePorts = ports.slice(servers)
    const routes = routePorts.map(port => `"nats://127.0.0.1:${port}"`).join(', ')
    const commands = await Promise.all(clientPorts.map(async (port, index): Promise<ExternalCommand> => {
      const config = join(folder, `nats-${index}.conf`)
      const store = JSON.stringify(join(folder, `jetstream-${index}`))
      const lines = [
        `server_name: node-${index}`,
        `listen: "127.0.0.1:${port}"`,
        `jetstream { store_dir: ${store}${syncAlways ? ', sync_interval: always' : ''} }`,
      ]
      if (servers > 1) {
        lines.push(`cluster { name: bench, listen: "127.0.0.1:${routePorts[index]}", routes: [${routes}] }`)
      }
      await writeFile(config, `${lines.join('\n')}\n`)
      return { command: program, args: ['-c', config], directory: folder }
    }))
    return { ports: clientPorts, servers, commands }
  },
}
