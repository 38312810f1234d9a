// Opens the control store that brokers share, where the options name one.

import { readFile } from 'node:fs/promises'
import { ConfigError, type BrokerConfig } from '../config.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import type { ControlStore } from './control-store.js'

/**
 * @returns null for a broker that is alone: it keeps everything in its data folder.
 * @throws ControlStoreError where etcd cannot be used, ConfigError where a file of the options cannot be read.
 */
export async function openSharedControl (
  config: BrokerConfig, { clock, logger }: { clock: Clock, logger: Logger },
): Promise<ControlStore | null> {
  const { control, cluster, controlUser: user } = config
  if (control === null) return null
  const [ca, cert, key] = await Promise.all([
    readOptionFile('control-ca', config.controlCa),
    readOptionFile('control-cert', config.controlCert),
    readOptionFile('control-key', config.controlKey),
  ])
  const password = await readOptionFile('control-password-file', config.controlPasswordFile)
  // Only here: a single broker needs nothing of gRPC.
  const { EtcdControlStore } = await import('./etcd/etcd-control-store.js')
  return await EtcdControlStore.open({
    endpoints: control.endpoints,
    tls: control.tls || ca !== null || cert !== null ? { ca, cert, key } : null,
    login: password === null ? null : { user, password: password.toString().replace(/\r?\n$/, '') },
    cluster,
    clock,
    logger,
  })
}

async function readOptionFile (name: string, path: string): Promise<Buffer | null> {
  if (path === '') return null
  try {
    return await readFile(path)
  } catch (error) {
    throw new ConfigError([`${name}: ${(error as Error).message}`])
  }
}
