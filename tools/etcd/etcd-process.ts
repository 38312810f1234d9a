// A member of an etcd, as a process of its own on loopback: for tests, and for clusters to try things out.
//
//   start ── "serving client traffic" ──▶ serving ─┬ pause (SIGSTOP) ⇄ resume (SIGCONT)
//                                                  ├ kill (SIGKILL) ─┐
//                                                  └ stop (SIGTERM) ─┴─▶ gone ── restart: same ports, same data
//
// Only processes started here are ever signalled, each by its own pid.

import { spawn, type ChildProcess } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

export interface EtcdProcessOptions {
  /** Folder for its data; made where it is missing. */
  readonly folder: string
  /** Default `etcd`. */
  readonly name?: string
  /** Where clients connect on 127.0.0.1; default 0: a free one. */
  readonly clientPort?: number
  /** Where other members connect; default 0: a free one. */
  readonly peerPort?: number
  /** All members of a new cluster, this one included, as `name → peer port`; default: this one alone. */
  readonly members?: Readonly<Record<string, number>>
  /** More flags, such as `--auto-tls`, by name without the dashes. */
  readonly flags?: Readonly<Record<string, string>>
  /** Clients connect by TLS, with a certificate that etcd makes for itself. */
  readonly tls?: boolean
}

/** What to do where etcd is not installed. */
export const ETCD_ADVICE = 'etcd is not installed: apt-get install -y etcd-server (Debian, Ubuntu), or put a binary named etcd into PATH'

const READY = /serving client traffic|ready to serve client requests/
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
const LOG_CHARS_MAX = 16 * 1024
const HOST = '127.0.0.1'
/** Below the ports that the system gives to clients: one that is free now stays so. */
const PORT_MIN = 20_000
const PORT_COUNT = 10_000
const PORT_TRIES_MAX = 100

export class EtcdProcess {
  readonly name: string
  readonly folder: string
  readonly clientPort: number
  readonly peerPort: number
  private readonly options: EtcdProcessOptions
  private child: ChildProcess | null = null
  private gone: Promise<void> = Promise.resolve()
  private log = ''

  private constructor (options: EtcdProcessOptions, clientPort: number, peerPort: number) {
    this.options = options
    this.name = options.name ?? 'etcd'
    this.folder = options.folder
    this.clientPort = clientPort
    this.peerPort = peerPort
  }

  /**
   * Starts a member; resolves when it serves clients. Members of a cluster only do that together.
   *
   * @throws Error whose message has what etcd said, or what to install.
   */
  static async start (options: EtcdProcessOptions): Promise<EtcdProcess> {
    const clientPort = options.clientPort || await freePort()
    const peerPort = options.peerPort || await freePort()
    const etcd = new EtcdProcess(options, clientPort, peerPort)
    await etcd.run()
    return etcd
  }

  /** HOST:PORT for clients. */
  get address (): string { return `${HOST}:${this.clientPort}` }

  /** The address as options of the broker have it. */
  get url (): string { return `${this.options.tls === true ? 'etcds' : 'etcd'}://${this.address}` }

  get pid (): number | undefined { return this.child?.pid }

  /** The certificate that etcd has made for itself, as PEM: its own certificate authority. */
  get certificatePath (): string { return join(this.folder, 'fixtures', 'client', 'cert.pem') }

  /** Stops in order; resolves when the process is gone. */
  async stop (): Promise<void> {
    const { child } = this
    if (child === null) return
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.gone
    clearTimeout(limit)
  }

  /** As a crash of the process does. */
  async kill (): Promise<void> {
    this.child?.kill('SIGKILL')
    await this.gone
  }

  /** It stops answering, and its connections stay open. */
  pause (): void { this.child?.kill('SIGSTOP') }

  resume (): void { this.child?.kill('SIGCONT') }

  /** Starts it again on its ports and data. */
  async restart (): Promise<void> {
    await this.stop()
    await this.run()
  }

  private run (): Promise<void> {
    // A process group of its own: Ctrl-C on a terminal is for whoever started it to pass on, in the right order.
    const child = spawn('etcd', this.arguments(), { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
    this.child = child
    this.log = ''
    const killWithParent = (): void => { child.kill('SIGKILL') }
    process.on('exit', killWithParent)
    this.gone = new Promise(resolve => {
      const onGone = (): void => {
        process.off('exit', killWithParent)
        if (this.child === child) this.child = null
        resolve()
      }
      child.once('close', onGone)
      child.once('error', onGone)
    })
    return new Promise((resolve, reject) => {
      const fail = (text: string): void => {
        clearTimeout(limit)
        reject(new Error(text))
      }
      const limit = setTimeout(() => {
        fail(`etcd was not ready after ${READY_TIMEOUT_MS} ms:\n${this.log}`)
        child.kill('SIGKILL')
      }, READY_TIMEOUT_MS)
      child.once('error', (error: NodeJS.ErrnoException) =>
        fail(error.code === 'ENOENT' ? ETCD_ADVICE : `etcd could not be started: ${error.message}`))
      child.once('close', (code, signal) => fail(`etcd ended with ${signal ?? `exit code ${code}`}:\n${this.log}`))
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.log = (this.log + text).slice(-LOG_CHARS_MAX)
        if (!READY.test(this.log)) return
        clearTimeout(limit)
        resolve()
      })
    })
  }

  private arguments (): string[] {
    const { members = { [this.name]: this.peerPort }, flags = {}, tls = false } = this.options
    const clients = `${tls ? 'https' : 'http'}://${this.address}`
    const peers = `http://${HOST}:${this.peerPort}`
    const all = {
      name: this.name,
      'data-dir': this.folder,
      'listen-client-urls': clients,
      'advertise-client-urls': clients,
      'listen-peer-urls': peers,
      'initial-advertise-peer-urls': peers,
      'initial-cluster': Object.entries(members).map(([name, port]) => `${name}=http://${HOST}:${port}`).join(','),
      'initial-cluster-state': 'new',
      logger: 'zap',
      ...(tls ? { 'auto-tls': 'true' } : {}),
      ...flags,
    }
    return Object.entries(all).map(([name, value]) => `--${name}=${value}`)
  }
}

/** True where there is an etcd in PATH. */
export async function isEtcdInstalled (): Promise<boolean> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const found = await access(join(folder, 'etcd'), constants.X_OK).then(() => true, () => false)
    if (found) return true
  }
  return false
}

/** A port on which nobody listens on 127.0.0.1. */
export async function freePort (): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * PORT_COUNT)
    const isFree = await new Promise<boolean>(resolve => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, HOST, () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
  throw new Error(`no free port from ${PORT_MIN} to ${PORT_MIN + PORT_COUNT - 1} in ${PORT_TRIES_MAX} tries`)
}
