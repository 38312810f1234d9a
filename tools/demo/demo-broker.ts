// The broker of the demo: a process of its own, as users run it.

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))
const READY = /ready on (\S+), /

export class DemoBroker {
  /** HOST:PORT. */
  readonly address: string
  /** Resolves with the exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>
  private readonly child: ChildProcess

  private constructor (child: ChildProcess, address: string, exited: Promise<number | null>) {
    this.child = child
    this.address = address
    this.exited = exited
  }

  /** Starts a broker on a free port and waits until it is ready. @throws Error with what the broker said. */
  static async start (data: string): Promise<DemoBroker> {
    const child = spawn(process.execPath,
      [COMMAND, 'broker', '--data', data, '--listen', '127.0.0.1:0', '--log-level', 'warn'],
      { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once('exit', resolve)
      child.once('error', reject)
    })
    const ready = new Promise<string>(resolve => {
      let said = ''
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const match = READY.exec(said)
        if (match !== null) resolve(match[1]!)
      })
    })
    const gone = exited.then((code): never => { throw new Error(`the broker could not start (exit code ${code})`) })
    gone.catch(() => {})
    return new DemoBroker(child, await Promise.race([ready, gone]), exited)
  }

  /** Stops it in order; resolves with its exit code. */
  async stop (): Promise<number | null> {
    this.child.kill('SIGTERM')
    return await this.exited
  }
}
