// `sluice cluster start`: a cluster of processes on this machine until Ctrl-C.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { CliError } from '../cli-error.js'
import { EXIT } from '../exit-code.js'
import { note } from '../messages.js'

export interface StartOptions {
  readonly brokers: number
  readonly port: number
  readonly data?: string
}

/** Resolves when everything is stopped. */
export async function startLocalCluster (options: StartOptions): Promise<void> {
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve())
  })
  const folder = options.data === undefined ? await mkdtemp(join(tmpdir(), 'sluice-cluster-')) : resolve(options.data)
  try {
    const cluster = await startIn(folder, options)
    try {
      cluster.brokers.forEach((broker, index) => {
        process.stdout.write(`broker ${index + 1} on ${cluster.addresses[index]}, pid ${broker.pid}\n`)
      })
      process.stdout.write(`etcd on ${cluster.etcd.address}, data in ${folder}\n`)
      note(`ready; try: sluice topic create orders --partitions 6 --replicas ${Math.min(3, options.brokers)} --brokers ${cluster.addresses[0]}`)
      note(`Ctrl-C stops all of it${options.data === undefined ? ' and removes the data' : ''}`)
      await stopped
      note('stopping')
    } finally {
      await cluster.stop()
    }
  } finally {
    if (options.data === undefined) await rm(folder, { recursive: true, force: true })
  }
}

async function startIn (folder: string, { brokers, port }: StartOptions): Promise<LocalCluster> {
  try {
    return await LocalCluster.start({ folder, brokers, port, options: { 'log-level': 'warn' } })
  } catch (cause) {
    throw new CliError(EXIT.failed, (cause as Error).message)
  }
}
