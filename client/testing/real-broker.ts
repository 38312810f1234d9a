// The real broker in this process, for tests. It is looked up when asked for, not imported: the broker's own tests use
// this client, and two packages that are built before each other cannot be built.

/** A running broker. */
export interface RealBroker extends AsyncDisposable {
  readonly address: string
  stop (): Promise<void>
  restart (): Promise<void>
}

/** Starts a broker on a free port, with its data in a temporary folder. */
export async function startRealBroker (options: Record<string, string> = {}): Promise<RealBroker> {
  const name: string = '@sluice/broker/testing'
  const { startTestBroker } = await import(name) as {
    startTestBroker (setup: { options: Record<string, string> }): Promise<RealBroker>
  }
  return startTestBroker({ options })
}
