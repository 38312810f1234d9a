// A load balancer in front of the brokers of a cluster: haproxy, passing TCP connections on in turns to the brokers
// that it can reach.

import { spawn, type ChildProcess } from 'node:child_process'
import { access, constants, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
const TRIES_MAX = 200

export class HaproxyProcess {
  readonly port: number
  private readonly child: ChildProcess
  private readonly gone: Promise<unknown>

  private constructor (child: ChildProcess, port: number) {
    this.child = child
    this.port = port
    this.gone = new Promise(resolve => child.once('close', resolve))
  }

  static async isInstalled (): Promise<boolean> { return await findHaproxy() !== null }

  /** Starts it; resolves when it accepts connections. */
  static async start (folder: string, port: number, brokers: readonly string[]): Promise<HaproxyProcess> {
    const file = join(folder, 'haproxy.cfg')
    await writeFile(file, configuration(port, brokers))
    const child = spawn((await findHaproxy())!, ['-db', '-f', file], { stdio: 'ignore' })
    const killWithParent = (): void => { child.kill('SIGKILL') }
    process.on('exit', killWithParent)
    child.once('exit', () => process.off('exit', killWithParent))
    const haproxy = new HaproxyProcess(child, port)
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (child.exitCode !== null) throw new Error(`haproxy ended with code ${child.exitCode}`)
      if (await isListening(port)) return haproxy
      await delay(25)
    }
    await haproxy.stop()
    throw new Error('haproxy does not accept connections')
  }

  async stop (): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM')
    await this.gone
  }
}

function configuration (port: number, brokers: readonly string[]): string {
  const servers = brokers.map((address, index) =>
    `  server broker${index + 1} ${address} check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions`)
  return [
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 10m',
    '  timeout server 10m',
    '  retries 3',
    '  option redispatch 1',
    'listen brokers',
    `  bind 127.0.0.1:${port}`,
    '  balance roundrobin',
    ...servers,
    '',
  ].join('\n')
}

async function findHaproxy (): Promise<string | null> {
  for (const folder of FOLDERS) {
    const path = join(folder, 'haproxy')
    if (await access(path, constants.X_OK).then(() => true, () => false)) return path
  }
  return null
}

function isListening (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}
