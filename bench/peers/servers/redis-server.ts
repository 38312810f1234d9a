// Redis with its append-only file, and without snapshots beside it.

import { freePorts } from '../../process/external-server.js'
import { findWithVersion, type PeerServer } from './peer-server.js'

export interface RedisSettings { readonly appendFsync: 'everysec' | 'always' }

export const REDIS_SERVER: PeerServer<RedisSettings> = {
  find: () => findWithVersion('redis-server', '--version', /v=(\d+\.\d+\.\d+)/, 'apt-get install redis-server'),

  async prepare (program, { appendFsync }, folder) {
    const [port] = await freePorts(1)
    const settings = {
      port: String(port), bind: '127.0.0.1', dir: folder, save: '', appendonly: 'yes', appendfsync: appendFsync,
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    return { ports: [port!], commands: [{ command: program, args, directory: folder }] }
  },
}
