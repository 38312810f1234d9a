// The disk of the operating system: `Disk` over node:fs.
//
// - Every read and write names its position, so a file has no offset of its own that two operations could fight over.
// - Short writes and short reads are continued, and more than 1,024 buffers are split, so an operation is done whole
//   or fails. EINTR is retried by libuv.
// - It opens what it is told to open: how many files are open at once is bounded by the caller.

import fs from 'node:fs'
import path from 'node:path'
import { DiskError, type Disk, type DiskFile } from './disk.js'
import { NodeDiskFile } from './node-disk-file.js'

const OPEN_MODE = 0o640
const DIRECTORY_MODE = 0o750

export class NodeDisk implements Disk {
  open (filePath: string, options: { create: 'never' | 'new' | 'ifMissing', readOnly?: boolean }): Promise<DiskFile> {
    let flags = options.readOnly === true ? fs.constants.O_RDONLY : fs.constants.O_RDWR
    if (options.create !== 'never') flags |= fs.constants.O_CREAT
    if (options.create === 'new') flags |= fs.constants.O_EXCL
    return new Promise((resolve, reject) => {
      fs.open(filePath, flags, OPEN_MODE, (error, descriptor) => {
        if (error !== null) reject(DiskError.from(error, 'open', filePath))
        else resolve(new NodeDiskFile(filePath, descriptor))
      })
    })
  }

  async list (directory: string): Promise<string[]> {
    try {
      const names = await fs.promises.readdir(directory)
      return names.sort()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw DiskError.from(error, 'list', directory)
    }
  }

  async stat (filePath: string): Promise<{ size: number, modifiedMs: number, isDirectory: boolean } | null> {
    try {
      const stats = await fs.promises.stat(filePath)
      const isDirectory = stats.isDirectory()
      return { size: isDirectory ? 0 : stats.size, modifiedMs: stats.mtimeMs, isDirectory }
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      throw DiskError.from(error, 'stat', filePath)
    }
  }

  async makeDirectory (directory: string): Promise<void> {
    try {
      await makeDirectories(directory)
    } catch (error) {
      throw DiskError.from(error, 'makeDirectory', directory)
    }
  }

  async rename (from: string, to: string): Promise<void> {
    try {
      await fs.promises.rename(from, to)
    } catch (error) {
      throw DiskError.from(error, 'rename', from)
    }
  }

  async remove (filePath: string): Promise<void> {
    try {
      await fs.promises.unlink(filePath)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      throw DiskError.from(error, 'remove', filePath)
    }
  }

  async removeDirectory (directory: string): Promise<void> {
    try {
      const stats = await fs.promises.lstat(directory)
      if (!stats.isDirectory()) throw new DiskError('ENOTDIR', 'removeDirectory', directory)
      await fs.promises.rm(directory, { recursive: true, force: true })
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      throw DiskError.from(error, 'removeDirectory', directory)
    }
  }

  async syncDirectory (directory: string): Promise<void> {
    try {
      const handle = await fs.promises.open(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
      try {
        await handle.sync()
      } catch (error) {
        // Some network and FUSE file systems keep names durable by themselves and know no fsync of a directory.
        if (codeOf(error) !== 'EINVAL') throw error
      } finally {
        await handle.close()
      }
    } catch (error) {
      throw DiskError.from(error, 'syncDirectory', directory)
    }
  }

  async space (anyPath: string): Promise<{ freeBytes: number, totalBytes: number }> {
    try {
      // What may not be there yet lies on the file system of the nearest folder above it.
      let existing = anyPath
      while (existing !== '/' && await this.stat(existing) === null) existing = path.dirname(existing)
      const stats = await fs.promises.statfs(existing)
      return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize }
    } catch (error) {
      throw DiskError.from(error, 'space', anyPath)
    }
  }
}

function codeOf (error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** By hand: Node's own recursive way says ENOENT whatever stops it, a read-only file system for one. */
async function makeDirectories (directory: string): Promise<void> {
  try {
    await fs.promises.mkdir(directory, { mode: DIRECTORY_MODE })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const parent = path.dirname(directory)
    if (code === 'EEXIST' && (await fs.promises.stat(directory)).isDirectory()) return
    if (code !== 'ENOENT' || parent === directory) throw error
    await makeDirectories(parent)
    await makeDirectories(directory)
  }
}
