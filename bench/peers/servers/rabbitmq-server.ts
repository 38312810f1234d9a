// RabbitMQ with its stream plugin, alone or as a cluster, and a port mapper of Erlang of its own: nothing else on the
// machine is touched, and nothing is left running.

import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, type ExternalCommand } from '../../process/external-server.js'
import { findProgram, type PeerServer } from './peer-server.js'

/** Which protocol the client speaks: it decides which port it is told. */
export interface RabbitmqSettings { readonly protocol: 'amqp' | 'stream' }

/** Debian's command in the PATH insists on a user of its own; the server's script is here. */
const SCRIPT_FOLDERS = ['/usr/lib/rabbitmq/bin']

export const RABBITMQ_SERVER: PeerServer<RabbitmqSettings> = {
  async find () {
    const program = findProgram('rabbitmq-server', SCRIPT_FOLDERS)
    if (program === null) return { missing: 'rabbitmq-server is not installed: apt-get install rabbitmq-server' }
    if (findProgram('epmd') === null) return { missing: 'epmd, a part of Erlang, is not in the PATH' }
    return { program, version: /rabbitmq_server-(\d[\w.]*)/.exec(await realpath(program))?.[1] ?? 'of unknown version' }
  },

  async prepare (program, { protocol }, folder, servers) {
    const [mapperPort, ...ports] = await freePorts(1 + 3 * servers)
    const mapper = { ERL_EPMD_ADDRESS: '127.0.0.1', ERL_EPMD_PORT: String(mapperPort) }
    const nodes = Array.from({ length: servers }, (_, index): Node => {
      const [amqpPort, streamPort, nodePort] = ports.slice(3 * index) as [number, number, number]
      return { name: `bench${index}@localhost`, folder: join(folder, `node-${index}`), amqpPort, streamPort, nodePort }
    })
    // All of them share it, and would each make one of their own where none is there.
    await writeFile(join(folder, '.erlang.cookie'), 'bench', { mode: 0o400 })
    const commands = await Promise.all(nodes.map(async (node): Promise<ExternalCommand> => {
      await mkdir(node.folder)
      await writeFile(join(node.folder, 'enabled_plugins'), '[rabbitmq_stream].\n')
      await writeFile(join(node.folder, 'rabbitmq.conf'), configOf(node, nodes))
      const environment = { HOME: folder, ...mapper, ...environmentOf(node) }
      return { command: program, args: [], directory: node.folder, environment }
    }))
    const epmd = { command: findProgram('epmd')!, args: ['-address', '127.0.0.1', '-port', String(mapperPort)], directory: folder, environment: mapper }
    return {
      // The stream plugin is the last to listen, and a node of a cluster has joined it by then.
      ports: nodes.map(({ streamPort }) => streamPort),
      clientPort: protocol === 'stream' ? nodes[0]!.streamPort : nodes[0]!.amqpPort,
      servers,
      commands: [epmd, ...commands],
    }
  },
}

interface Node {
  readonly name: string
  readonly folder: string
  readonly amqpPort: number
  readonly streamPort: number
  readonly nodePort: number
}

function configOf ({ amqpPort, streamPort }: Node, nodes: readonly Node[]): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${amqpPort}`,
    `stream.listeners.tcp.1 = 127.0.0.1:${streamPort}`,
    'stream.advertised_host = 127.0.0.1',
    `stream.advertised_port = ${streamPort}`,
    'log.console = true',
    'log.console.level = error',
    'log.file = false',
  ]
  if (nodes.length > 1) {
    lines.push('cluster_formation.peer_discovery_backend = classic_config')
    for (const [index, { name }] of nodes.entries()) lines.push(`cluster_formation.classic_config.nodes.${index + 1} = ${name}`)
  }
  return `${lines.join('\n')}\n`
}

function environmentOf ({ name, folder, nodePort }: Node): Record<string, string> {
  const file = (name: string): string => join(folder, name)
  return {
    RABBITMQ_NODENAME: name,
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
}
