// beanstalkd through `jackd`: its protocol has one job to a command, so that many commands are under way at once. The
// library mixes up the answers of reserves and deletes that are: each connection that takes jobs has one at a time.

import { loadLibrary } from '../libraries.js'
import type { PeerAddress, PeerClient, PeerValue } from './peer-client.js'

type Jackd = new () => JackdConnection

interface JackdConnection {
  connect (address: { host: string, port: number }): Promise<unknown>
  put (payload: string): Promise<string>
  reserve (): Promise<Job>
  delete (id: string): Promise<void>
  socket: { destroy (): void }
}

interface Job { readonly id: string, readonly payload: Buffer }

/** Connections that reserve. */
const WORKERS = 64

export class BeanstalkdClient implements PeerClient {
  private readonly connect: () => Promise<JackdConnection>
  private readonly connections: JackdConnection[]
  private closing = false

  private constructor (connect: () => Promise<JackdConnection>, sending: JackdConnection) {
    this.connect = connect
    this.connections = [sending]
  }

  static async open ({ port, libraries }: PeerAddress): Promise<BeanstalkdClient> {
    const Connection = loadLibrary<Jackd>(libraries, 'jackd')
    const connect = async (): Promise<JackdConnection> => {
      const connection = new Connection()
      await connection.connect({ host: '127.0.0.1', port })
      return connection
    }
    return new BeanstalkdClient(connect, await connect())
  }

  /** As text: the library turns buffers into JSON. */
  async send (values: readonly Buffer[]): Promise<void> {
    await Promise.all(values.map(value => this.connections[0]!.put(value.toString('latin1'))))
  }

  async tail (onRecord: (value: PeerValue) => void): Promise<void> {
    await this.reserve(({ payload }) => onRecord(payload), () => {})
  }

  async work (onDone: (records: number) => void): Promise<void> {
    await this.reserve(() => {}, () => onDone(1))
  }

  async close (): Promise<void> {
    this.closing = true
    for (const { socket } of this.connections) socket.destroy()
  }

  private async reserve (onJob: (job: Job) => void, onDeleted: () => void): Promise<void> {
    for (let worker = 0; worker < WORKERS; worker++) {
      const connection = await this.connect()
      this.connections.push(connection)
      const run = async (): Promise<void> => {
        while (!this.closing) {
          const job = await connection.reserve()
          onJob(job)
          await connection.delete(job.id)
          onDeleted()
        }
      }
      run().catch((error: Error) => { if (!this.closing) throw error })
    }
  }
}
