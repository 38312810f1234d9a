// Opens the control store that brokers share, where the options name one.

import { readFile } from 'node:fs/promises'
import { ConfigError, type BrokerConfig } from '../config.js'
import type { ControlStore } from './control-store.js'
import { whenAvailable, type StartWait } from './when-available.js'

/**
 * Waits for an etcd that does not answer yet.
 *
 * @returns null for a broker that is alone: it keeps everything in its data folder.
 * @throws ControlStoreError where etcd refuses us, ConfigError where a file of the options cannot be read,
 * StartAbortedError.
 */
export async function openSharedControl (
  config: BrokerConfig, wait: StartWait,
): Promise<ControlStore | null> {
  const { control, cluster, controlUser: user } = config
  const { clock, logger } = wait
  if (control === null) return null
  const [ca, cert, key] = await Promise.all([
    readOptionFile('control-ca', config.controlCa),
    readOptionFile('control-cert', config.controlCert),
    readOptionFile('control-key', config.controlKey),
  ])
  const password = await readOptionFile('control-password-file', config.controlPasswordFile)
  // Only here: a single broker needs nothing of gRPC.
  const { EtcdControlStore } = await import('./etcd/etcd-control-store.js')
  return await whenAvailable(() => EtcdControlStore.open({
    startTimeoutMs: 0, // waiting is done here
    endpoints: control.endpoints,
    tls: control.tls || ca !== null || cert !== null ? { ca, cert, key } : null,
    login: password === null ? null : { user, password: password.toString().replace(/\r?\n$/, '') },
    cluster,
    clock,
    logger,
  }), wait)
}

async function readOptionFile (name: string, path: string): Promise<Buffer | null> {
  if (path === '') return null
  try {
    return await readFile(path)
  } catch (error) {
    throw new ConfigError([`${name}: ${(error as Error).message}`])
  }
}
