// A broker inside the test process: real sockets, real files in a folder of its own that goes with it.
//
//   await using broker = await startTestBroker()
//   const client = connect({ brokers: [broker.address] })

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker, type BrokerParts } from './broker.js'
import { parseConfig, type OptionTexts } from './config.js'
import { silentLogger } from './runtime/logger.js'

export { EtcdControlStore, type EtcdControlStoreOptions } from './control/etcd/etcd-control-store.js'
export { ControlStoreError } from './control/control-store.js'
export { swap } from './control/swap.js'
export { rejectsWith, testControlStoreContract, until } from './control/control-store-contract.js'

export interface TestBrokerOptions {
  /** Options by name, as on the command line: `{ 'max-connections': '10' }`. */
  options?: OptionTexts
  /** Folder for the data; a temporary one, removed at the end, where it is left out. */
  data?: string
  /** Parts to put in place of the real ones, such as a disk that fails. */
  parts?: Partial<BrokerParts>
}

/** A running broker under test. */
export interface TestBroker extends AsyncDisposable {
  /** HOST:PORT. */
  readonly address: string
  readonly port: number
  /** The data folder. */
  readonly data: string
  /** The broker itself, for a look inside. */
  readonly broker: Broker
  /** Stops the broker; the data stays for another start with the same folder. */
  stop (): Promise<void>
  /** Stops and starts it again on the same port and data. */
  restart (): Promise<void>
}

/** Starts a broker on a free port of 127.0.0.1. */
export async function startTestBroker (setup: TestBrokerOptions = {}): Promise<TestBroker> {
  const temporary = setup.data === undefined
  const data = setup.data ?? await mkdtemp(join(tmpdir(), 'sluice-test-'))
  const start = (port: number): Promise<Broker> => Broker.start(
    parseConfig({ flags: { data, listen: `127.0.0.1:${port}`, ...setup.options } }),
    { logger: silentLogger, ...setup.parts })
  let broker = await start(0)
  const { port } = broker.address
  return {
    address: `127.0.0.1:${port}`,
    port,
    data,
    get broker () { return broker },
    stop: () => broker.stop(),
    async restart () {
      await broker.stop()
      broker = await start(port)
    },
    async [Symbol.asyncDispose] () {
      await broker.stop()
      if (temporary) await rm(data, { recursive: true, force: true })
    },
  }
}
