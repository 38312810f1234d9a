// Small files that are replaced as a whole: after a crash at any point there is the old one or the new one.
//
//   write NAME.new --> sync it --> rename it to NAME --> sync the directory

import type { Disk, DiskFile } from './disk.js'

/** A file that a crash left behind has this ending. */
export const UNFINISHED_SUFFIX = '.new'

/** Resolves when the file is durable. Throws DiskError; the old file is then still there. */
export async function writeFileAtomically (
  disk: Disk, directory: string, name: string, contents: Buffer
): Promise<void> {
  const path = `${directory}/${name}`
  const file = await disk.open(path + UNFINISHED_SUFFIX, { create: 'ifMissing' })
  try {
    await file.truncate(0)
    await new Promise<void>((resolve, reject) => {
      file.write([contents], 0, error => error === null ? resolve() : reject(error))
    })
    await new Promise<void>((resolve, reject) => file.sync(error => error === null ? resolve() : reject(error)))
  } finally {
    await file.close()
  }
  await disk.rename(path + UNFINISHED_SUFFIX, path)
  await disk.syncDirectory(directory)
}

/** The contents of a small file; null where it is missing. Throws DiskError. */
export async function readWholeFile (disk: Disk, path: string): Promise<Buffer | null> {
  const stats = await disk.stat(path)
  if (stats === null) return null
  const file = await disk.open(path, { create: 'never', readOnly: true })
  try {
    return await readAll(file)
  } finally {
    await file.close()
  }
}

async function readAll (file: DiskFile): Promise<Buffer> {
  const contents = Buffer.alloc(await file.size())
  const count = await new Promise<number>((resolve, reject) => {
    file.read(contents, 0, (error, bytesRead) => error === null ? resolve(bytesRead) : reject(error))
  })
  return contents.subarray(0, count)
}
