// The callbacks of a DiskFile as promises, for the rare paths.

import type { DiskFile } from './disk.js'

export function writeFile (file: DiskFile, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write([bytes], position, error => error === null ? resolve() : reject(error))
  })
}

export function syncFile (file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync(error => error === null ? resolve() : reject(error))
  })
}

/** Up to `size` bytes from `position`; fewer at the end of the file. */
export function readFile (file: DiskFile, position: number, size: number): Promise<Buffer> {
  const target = Buffer.allocUnsafeSlow(size)
  return new Promise((resolve, reject) => {
    file.read(target, position, (error, bytesRead) => {
      if (error === null) resolve(target.subarray(0, bytesRead))
      else reject(error)
    })
  })
}
