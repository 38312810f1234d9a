// Compiles layer.c where that has not been done yet: one shared object for each version of the source.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, readFile, rename } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCE = fileURLToPath(new URL('../../../crash/power-loss/layer.c', import.meta.url))
const TARGET = fileURLToPath(new URL('layer', import.meta.url))
const FLAGS = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Wno-format-truncation', '-pthread'] as const

const run = promisify(execFile)

/** The path of the shared object. @throws Error where there is no compiler, or no Linux. */
export async function buildLayer (): Promise<string> {
  const digest = createHash('sha256').update(await readFile(SOURCE)).digest('hex').slice(0, 12)
  const target = `${TARGET}-${digest}.so`
  if (await access(target).then(() => true, () => false)) return target
  // Others may do the same at this moment.
  const unfinished = `${target}.${process.pid}`
  await run(process.env['CC'] ?? 'cc', [...FLAGS, '-o', unfinished, SOURCE])
  await rename(unfinished, target)
  return target
}

/** For a test's `skip`: false, or why power losses cannot be tried here. */
export async function whyNoPowerLoss (): Promise<string | false> {
  if (process.platform !== 'linux') return 'the disk layer of power losses is for Linux'
  return await buildLayer().then(() => false, error => {
    const { code, message } = error as NodeJS.ErrnoException
    // A source that does not compile is a fault, a missing compiler is none.
    if (code !== 'ENOENT') throw error
    return `there is no C compiler: ${message}`
  })
}
