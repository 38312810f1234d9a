// A server that is not ours, started for a sample like our own: on a free port of 127.0.0.1, with its files in the
// folder of the sample.

import { createServer } from 'node:net'
import { BenchError } from '../bench-error.js'
import type { Target } from '../load/make-load.js'
import type { ServerUsage } from '../measure/external-probe.js'
import { Child } from './child.js'
import type { RunningServer } from './servers.js'

/** A program to start. */
export interface ExternalCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly directory: string
  readonly environment?: Readonly<Record<string, string>>
}

/** What is started for a server: the server itself last, or the servers of a cluster. */
export interface ExternalServerSpec {
  readonly commands: readonly ExternalCommand[]
  /** Commands at the end of the list that are the server: those before only help it. 1 where nothing is said. */
  readonly servers?: number
  /** Where it takes connections when it is ready: at all of them. */
  readonly ports: readonly number[]
  /** Where clients go, if that is not the first of the ports. */
  readonly clientPort?: number
  /** Folder of all its files: removed with it where the one that started it is lost, and cannot do that any more. */
  readonly folder?: string
}

/** Calls that the process answers which stands between. */
export interface ExternalServerCalls {
  begin: { argument: null, result: null }
  end: { argument: null, result: ServerUsage | null }
}

/** Starts a server and waits until it takes connections. @throws BenchError with what it said instead. */
export async function startExternalServer (
  spec: ExternalServerSpec, target: Target,
): Promise<RunningServer<ServerUsage | null>> {
  const child = new Child<ExternalServerCalls>('external-server-main.js', [JSON.stringify(spec)])
  const line = await child.firstLine()
  if (line !== 'ready') {
    await child.stop()
    throw new BenchError(1, line)
  }
  return {
    target,
    beginWindow: async () => { await child.call('begin', null) },
    endWindow: () => child.call('end', null),
    stop: () => child.stop(),
  }
}

/** Below those that systems give to outgoing connections: nobody takes one while its server is started again. */
const PORT_MIN = 20_000
const PORT_COUNT = 10_000

/** So many ports of 127.0.0.1 that nobody listens on, each another one. */
export async function freePorts (count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = PORT_MIN + Math.floor(Math.random() * PORT_COUNT)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
