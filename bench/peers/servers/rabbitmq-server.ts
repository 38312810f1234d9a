// RabbitMQ with its stream plugin, and a port mapper of Erlang of its own, so that nothing else on the machine is
// touched and nothing is left running.

import { realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../process/external-server.js'
import { findProgram, type PeerServer } from './peer-server.js'

/** Which protocol the client speaks: it decides which port it is told. */
export interface RabbitmqSettings { readonly protocol: 'amqp' | 'stream' }

/** Debian's command in the PATH insists on a user of its own; the server's script is here. */
const SCRIPT_FOLDERS = ['/usr/lib/rabbitmq/bin']
const NODE_NAME = 'bench@localhost'

export const RABBITMQ_SERVER: PeerServer<RabbitmqSettings> = {
  async find () {
    const program = findProgram('rabbitmq-server', SCRIPT_FOLDERS)
    if (program === null) return { missing: 'rabbitmq-server is not installed: apt-get install rabbitmq-server' }
    if (findProgram('epmd') === null) return { missing: 'epmd, a part of Erlang, is not in the PATH' }
    return { program, version: /rabbitmq_server-(\d[\w.]*)/.exec(await realpath(program))?.[1] ?? 'of unknown version' }
  },

  async prepare (program, { protocol }, folder) {
    const [amqpPort, streamPort, mapperPort, nodePort] = await freePorts(4)
    const file = (name: string): string => join(folder, name)
    await writeFile(file('enabled_plugins'), '[rabbitmq_stream].\n')
    await writeFile(file('rabbitmq.conf'), [
      `listeners.tcp.1 = 127.0.0.1:${amqpPort}`,
      `stream.listeners.tcp.1 = 127.0.0.1:${streamPort}`,
      'stream.advertised_host = 127.0.0.1',
      `stream.advertised_port = ${streamPort}`,
      'log.console = true',
      'log.console.level = error',
      'log.file = false',
      '',
    ].join('\n'))
    const environment = {
      HOME: folder,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(mapperPort),
      RABBITMQ_NODENAME: NODE_NAME,
      RABBITMQ_DIST_PORT: String(nodePort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
      RABBITMQ_FEATURE_FLAGS_FILE: file('feature_flags'),
      RABBITMQ_MNESIA_BASE: folder,
      RABBITMQ_LOG_BASE: folder,
      RABBITMQ_PID_FILE: file('pid'),
    }
    return {
      // The stream plugin is the last to listen.
      port: streamPort!,
      clientPort: protocol === 'stream' ? streamPort! : amqpPort!,
      commands: [
        { command: findProgram('epmd')!, args: ['-address', '127.0.0.1', '-port', String(mapperPort)], directory: folder, environment },
        { command: program, args: [], directory: folder, environment },
      ],
    }
  },
}
