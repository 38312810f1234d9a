// NATS with JetStream.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../process/external-server.js'
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

  async prepare (program, { syncAlways }, folder) {
    const [port] = await freePorts(1)
    const config = join(folder, 'nats.conf')
    const sync = syncAlways ? ', sync_interval: always' : ''
    await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}${sync} }\n`)
    return { port: port!, commands: [{ command: program, args: ['-c', config], directory: folder }] }
  },
}
