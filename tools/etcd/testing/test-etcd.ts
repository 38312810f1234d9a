// An etcd for the tests of a file, and control stores on it. Where there is no etcd they are skipped with a word.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EtcdControlStore, type EtcdControlStoreOptions } from '@sluice/broker/testing'
import { silentLogger } from '@sluice/broker'
import type { Test } from 'tap'
import { EtcdCluster } from '../etcd-cluster.js'
import { ETCD_ADVICE, isEtcdInstalled, type EtcdProcess } from '../etcd-process.js'

/** Far more than a member needs: machines that run tests are slow at times. */
const CALL_TIMEOUT_MS = 5_000

/** False, with a word about it, where there is no etcd on this machine. */
export async function hasEtcd (t: Test): Promise<boolean> {
  if (await isEtcdInstalled()) return true
  t.plan(0, ETCD_ADVICE)
  return false
}

/** A folder that goes with the test. */
export async function testFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-etcd-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An etcd that is stopped when the test is over. */
export async function startEtcd (
  t: Test, options: { members?: number, flags?: Readonly<Record<string, string>> } = {},
): Promise<EtcdCluster> {
  const folder = await testFolder(t)
  const etcd = await EtcdCluster.start({ folder, ...options })
  t.teardown(() => etcd.stop())
  return etcd
}

/** A control store on these members, closed when the test is over. */
export async function openStore (
  t: Test, members: readonly EtcdProcess[], options: Partial<EtcdControlStoreOptions> = {},
): Promise<EtcdControlStore> {
  const store = await EtcdControlStore.open({
    endpoints: members.map(({ clientPort }) => ({ host: '127.0.0.1', port: clientPort })),
    tls: null,
    login: null,
    cluster: 'test',
    callTimeoutMs: CALL_TIMEOUT_MS,
    logger: silentLogger,
    clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() },
    ...options,
  })
  t.teardown(() => store.close())
  return store
}

/** Asks etcd for what the control store never does, over its JSON gateway. */
export async function administer (etcd: EtcdProcess, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`http://${etcd.address}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
  const answer = await response.json() as Record<string, unknown>
  if (!response.ok) throw new Error(`etcd answered ${path} with ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}
