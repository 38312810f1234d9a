// Clinic.js around a broker. It is no part of the installation: npm fetches it when it is first used.
//
//   npm exec ─▶ clinic TOOL ─▶ the broker        one process group, to which Ctrl-C goes when the load has ended:
//                                                the broker stops, clinic writes its report, npm ends

import { spawn, type ChildProcess } from 'node:child_process'
import { BenchError } from '../bench-error.js'

export const CLINIC_TOOLS = ['doctor', 'flame', 'bubbleprof', 'heapprofiler'] as const
export type ClinicTool = typeof CLINIC_TOOLS[number]

const PACKAGE = 'clinic@13'
const NPM_EXEC = ['exec', '--yes', '--loglevel=error', `--package=${PACKAGE}`, '--', 'clinic'] as const
/** Without a terminal, clinic asks whether it may count its uses, and ends. */
const ENVIRONMENT = { NO_INSIGHT: '1', NO_UPDATE_NOTIFIER: '1' }
/** The report of a long run takes its time. */
const REPORT_TIMEOUT_MS = 300_000
const SAID_CHARACTERS = 2_000

/** Fetches clinic where it is not there yet. @throws BenchError where that cannot be done. */
export async function fetchClinic (npm = 'npm'): Promise<void> {
  const child = spawn(npm, [...NPM_EXEC, '--version'], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...ENVIRONMENT } })
  const said = lastWords(child)
  const problem = await new Promise<string | null>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', code => resolve(code === 0 ? null : said() || `npm ended with code ${code}`))
  })
  if (problem === null) return
  throw new BenchError(1, `${PACKAGE} could not be fetched: ${problem}\nIt needs npm and its registry once; \`--profile FOLDER\` of the ` +
    'benchmarks writes processor profiles without it, which the developer tools of a browser show.')
}

/** A broker under clinic. */
export class ProfiledBroker {
  readonly address: string
  private readonly child: ChildProcess
  private readonly said: () => string
  private readonly exited: Promise<number | null>

  private constructor (address: string, child: ChildProcess, said: () => string, exited: Promise<number | null>) {
    this.address = address
    this.child = child
    this.said = said
    this.exited = exited
  }

  /** @param command the program to watch with its arguments; it says where it listens. */
  static async start (
    { tool, folder, command, npm = 'npm' }: { tool: ClinicTool, folder: string, command: readonly string[], npm?: string },
  ): Promise<ProfiledBroker> {
    const child = spawn(npm, [...NPM_EXEC, tool, '--open=false', `--dest=${folder}`, '--', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...ENVIRONMENT }, detached: true,
    })
    process.once('exit', () => killGroup(child, 'SIGKILL'))
    const said = lastWords(child)
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout!.on('data', () => {
        const found = / ready on (\S+?),? /.exec(`${said()} `)?.[1]
        if (found !== undefined) resolve(found)
      })
      exited.then(code => reject(new BenchError(1, `clinic ${tool} ended with code ${code} before the broker was ready: ${said()}`)), reject)
    })
    return new ProfiledBroker(address, child, said, exited)
  }

  /** Ends the broker and waits for the report; resolves with its path. @throws BenchError where there is none. */
  async finish (): Promise<string> {
    killGroup(this.child, 'SIGINT')
    const timer = setTimeout(() => killGroup(this.child, 'SIGKILL'), REPORT_TIMEOUT_MS)
    const code = await this.exited
    clearTimeout(timer)
    const report = /file:\/\/(\S+\.html)/.exec(this.said())?.[1]
    if (report === undefined) throw new BenchError(1, `clinic wrote no report (code ${code}): ${this.said()}`)
    return decodeURIComponent(report)
  }

  /** Ends all of it, without a report. */
  abandon (): void { killGroup(this.child, 'SIGKILL') }
}

function killGroup ({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch { /* it has ended */ }
}

/** What a child has said last, of both outputs. */
function lastWords (child: ChildProcess): () => string {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-SAID_CHARACTERS) })
  }
  return () => said.trim()
}
