// The `sluice` command within the process of a test, where a process for each of many would take most of the test's
// time. One at a time, and only commands that neither read standard input nor print records.

import { main } from '../main.js'
import type { CommandResult } from './command-process.js'

/** Runs a command to its end, with `environment` beside the process's own. */
export async function runHere (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const { stdout, stderr } = process
  const said = { stdout: '', stderr: '' }
  const before = { stdout: stdout.write, stderr: stderr.write, env: process.env, listeners: stdout.listeners('error') }
  stdout.write = taking(text => { said.stdout += text })
  stderr.write = taking(text => { said.stderr += text })
  const { SLUICE_BROKERS, ...others } = process.env
  process.env = { ...others, ...environment }
  try {
    const code = await main(args)
    return { code, signal: null, stdout: Buffer.from(said.stdout), stderr: said.stderr }
  } finally {
    stdout.write = before.stdout
    stderr.write = before.stderr
    process.env = before.env
    for (const listener of stdout.listeners('error')) {
      if (!before.listeners.includes(listener)) stdout.removeListener('error', listener as () => void)
    }
  }
}

function taking (take: (text: string) => void): typeof process.stdout.write {
  return (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    take(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    const done = rest.at(-1)
    if (typeof done === 'function') queueMicrotask(() => { done() })
    return true
  }
}
