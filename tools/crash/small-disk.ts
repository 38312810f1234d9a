// A small disk in memory, to be filled up or made read-only. Mounting it takes the rights of root.

import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { scratchFolder } from './scratch-folder.js'

const run = promisify(execFile)
const MIB = 2 ** 20

/** A disk that is gone when the test is. */
export interface SmallDisk extends AsyncDisposable { readonly path: string }

/** Mounts a disk of so many MiB. */
export async function smallDisk (sizeMib: number): Promise<SmallDisk> {
  const folder = await scratchFolder()
  const path = `${folder.path}/disk`
  await mkdir(path)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'sluice-test', path])
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
  return {
    path,
    async [Symbol.asyncDispose] () {
      await run('umount', [path])
      await folder[Symbol.asyncDispose]()
    },
  }
}

const mounted = await smallDisk(1).then(disk => disk[Symbol.asyncDispose]().then(() => true), () => false)
/** Options of a test that needs one. */
export const NEEDS_DISK = mounted ? {} : { skip: 'mounting a small disk takes the rights of root' }

/** Uses up the space of a disk but for about a MiB. */
export async function fillWith (path: string): Promise<void> {
  const { stdout } = await run('df', ['--output=avail', '-B1', path.slice(0, path.lastIndexOf('/'))])
  const available = Number(stdout.trim().split('\n').at(-1))
  const chunk = Buffer.alloc(MIB)
  // What somebody else has taken meanwhile is missing here.
  const chunks = function * (): Generator<Buffer> {
    for (let left = available - MIB; left > 0; left -= MIB) yield chunk.subarray(0, Math.min(left, MIB))
  }
  await writeFile(path, chunks()).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'ENOSPC') throw error })
}
