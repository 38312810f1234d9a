// `sluice bench peers`: Sluice beside what a user would pick in its place.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Option, type Command } from 'commander'
import { BenchError } from '../bench-error.js'
import { installLibraries, librariesFolder } from '../peers/libraries.js'
import { measurePeers, type PeersSettings } from '../peers/measure-peers.js'
import { PEER_NAMES, type PeerName } from '../peers/peer-table.js'
import { PEER_WORKLOAD_NAMES, type PeerWorkloadName } from '../peers/peer-workloads.js'
import { peersPage, peersPlot, peersTable } from '../peers/peers-report.js'
import { PEERS_FORMAT, type PeersResult } from '../peers/peers-result.js'
import {
  integer, listOf, newCommand, oneOf, onProgress, print, withRun, writeText, type RunAction, type RunOptions,
} from './options.js'

interface PeersCommandOptions extends RunOptions {
  peers: PeerName[]
  workloads: PeerWorkloadName[]
  libraries: string
  brokers: number
  install?: boolean
  resume?: boolean
  plot?: string
}

export function peersCommand (run: RunAction): Command {
  const command = newCommand('peers', 'Sluice beside what could stand in its place, each on free ports and with its files in a new ' +
    'folder: NATS JetStream, RabbitMQ streams and quorum queues, Redis Streams, BullMQ, beanstalkd. Those that are not ' +
    'installed are left out.', [
    'peers --install',
    'peers --peers redis-always,rabbitmq-quorum --workloads produce-100,queue-100',
    'peers --out peers.json --resume --plot peers.html',
    'peers --brokers 3 --workloads produce-100,e2e-1000',
  ])
  return withRun(command, { rounds: 3, durationMs: 2_000, warmupMs: 1_000 })
    .addOption(new Option('--peers <names>', PEER_NAMES.join(', ')).argParser(listOf(oneOf(PEER_NAMES))).default(PEER_NAMES, 'all'))
    .addOption(new Option('--workloads <names>', PEER_WORKLOAD_NAMES.join(', '))
      .argParser(listOf(oneOf(PEER_WORKLOAD_NAMES))).default(PEER_WORKLOAD_NAMES, 'all'))
    .option('--brokers <count>', 'brokers of Sluice and servers of each peer: clusters, of those that acknowledge by a majority',
      integer(1, 9), 1)
    .option('--install', 'install their client libraries with npm, into the folder of --libraries')
    .option('--libraries <folder>', 'folder with the client libraries', librariesFolder())
    .option('--resume', 'take what the file of --out has already, and add to it')
    .option('--plot <file>', 'write the plot: an .svg alone, or an .html page with the table')
    .action((options: PeersCommandOptions) => run(() => comparePeers(options)))
}

async function comparePeers (options: PeersCommandOptions): Promise<void> {
  const { peers, workloads, libraries, plot, out } = options
  if (plot !== undefined && !/\.(svg|html)$/.test(plot)) throw new BenchError(2, `${plot} ends in neither .svg nor .html: --plot goes by that`)
  const settings: PeersSettings = {
    rounds: options.rounds,
    warmupMs: options.warmup,
    durationMs: options.duration,
    count: null,
    folder: options.folder,
    brokerOptions: options.brokerOption,
    brokers: options.brokers,
    onProgress,
    // A long run is kept sample by sample: it can be ended, and go on later.
    onSample: async result => { if (out !== undefined) await writeText(out, `${JSON.stringify(result, null, 2)}\n`) },
  }
  const earlier = options.resume === true ? await readEarlier(out, settings) : null
  if (options.install === true) {
    onProgress(`installing the client libraries into ${libraries}`)
    await installLibraries(libraries)
  }
  const result = await measurePeers({ peers, workloads, libraries }, settings, earlier)
  if (plot !== undefined) await writeText(plot, plot.endsWith('.svg') ? peersPlot(result) : peersPage(result))
  await print(result, peersTable(result), options)
}

/** What a file has from before. @throws BenchError where it is of another kind, or measured in another way. */
async function readEarlier (
  path: string | undefined, { warmupMs, durationMs, brokers }: PeersSettings,
): Promise<PeersResult | null> {
  if (path === undefined) throw new BenchError(2, '--resume goes with --out: it adds to that file')
  if (!existsSync(path)) return null
  let found: PeersResult
  try {
    found = JSON.parse(await readFile(path, 'utf8')) as PeersResult
  } catch (error) {
    throw new BenchError(2, `${path} cannot be added to: ${(error as Error).message}`)
  }
  if (found?.format !== PEERS_FORMAT) throw new BenchError(2, `${path} is no result of sluice bench peers (${PEERS_FORMAT})`)
  if (found.warmupMs !== warmupMs || found.durationMs !== durationMs) {
    throw new BenchError(2, `${path} has windows of ${found.durationMs} ms after ${found.warmupMs} ms: go on with the same, or name another file`)
  }
  if ((found.brokers ?? 1) !== brokers) throw new BenchError(2, `${path} is of --brokers ${found.brokers ?? 1}: name another file`)
  return found
}
