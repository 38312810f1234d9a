// beanstalkd with its binlog.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../process/external-server.js'
import { findWithVersion, type PeerServer } from './peer-server.js'

/** `fsyncMs` is the least time between two syncs; with 0 each write has one. */
export interface BeanstalkdSettings { readonly fsyncMs: number }

export const BEANSTALKD_SERVER: PeerServer<BeanstalkdSettings> = {
  find: () => findWithVersion('beanstalkd', '-v', /beanstalkd (\S+)/, 'apt-get install beanstalkd'),

  async prepare (program, { fsyncMs }, folder) {
    const [port] = await freePorts(1)
    const binlog = join(folder, 'binlog')
    await mkdir(binlog)
    const args = ['-l', '127.0.0.1', '-p', String(port), '-b', binlog, '-f', String(fsyncMs)]
    return { ports: [port!], commands: [{ command: program, args, directory: folder }] }
  },
}
