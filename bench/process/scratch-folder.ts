// Folders of measurements: made on the disk that is measured and removed afterwards, whatever happens, Ctrl-C included.

import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError } from '../bench-error.js'

const folders = new Set<string>()

/** Signals that end a run early, with what a shell expects as exit code. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
type EndSignal = keyof typeof EXIT_CODES
const SIGNALS = Object.keys(EXIT_CODES) as EndSignal[]

/**
 * Calls `work` with a new folder below `parent` and removes it afterwards. Processes of ours that still write there end
 * when they lose the one that started them.
 *
 * @throws BenchError as a rejection where no folder can be made there.
 */
export async function withScratchFolder<Result> (
  parent: string, work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await makeFolder(parent)
  folders.add(folder)
  if (folders.size === 1) for (const signal of SIGNALS) process.once(signal, onSignal)
  try {
    await writeFile(join(folder, 'README'), 'Made by a Sluice benchmark; it may be deleted when none is running.\n')
    return await work(folder)
  } finally {
    folders.delete(folder)
    if (folders.size === 0) for (const signal of SIGNALS) process.off(signal, onSignal)
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeFolder (parent: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true })
    return await mkdtemp(join(parent, 'sluice-bench-'))
  } catch (error) {
    throw new BenchError(2, `no folder can be made below ${parent}: ${(error as Error).message}; choose another with --folder`)
  }
}

function onSignal (signal: EndSignal): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  process.exit(EXIT_CODES[signal])
}
