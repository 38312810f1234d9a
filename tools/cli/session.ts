// A client for the length of one command.

import type { Client } from '@sluice/client'
import type { BrokerOptions } from './command.js'

/**
 * Connects, runs `work` and closes the client whatever happens. The client package is loaded only here, so that
 * commands without a broker start quickly.
 *
 * @throws BrokerError TIMEOUT or CONNECTION where no broker is reached within `--timeout`.
 */
export async function withClient<T> (options: BrokerOptions, work: (client: Client) => Promise<T>): Promise<T> {
  const { connect } = await import('@sluice/client')
  const client = connect({
    brokers: options.brokers,
    clientId: 'sluice-cli',
    requestTimeoutMs: options.timeout,
    connectTimeoutMs: options.timeout,
  })
  try {
    return await work(client)
  } finally {
    await client.close({ drainTimeoutMs: 0 })
  }
}
