// What a result was measured on: machine, disk, Node, and the state of the source. What cannot be found out is null.

import { execFile } from 'node:child_process'
import { readFile, realpath } from 'node:fs/promises'
import os from 'node:os'
import { promisify } from 'node:util'

/** The machine. */
export interface Machine {
  cores: number
  processor: string
  memoryBytes: number
  kernel: string
  architecture: string
  node: string
  /** Disk under the data folder. */
  disk: { device: string, fileSystem: string, mountOptions: string, model: string | null } | null
}

/** The source that was measured. */
export interface Source {
  commit: string | null
  /** The tree holds changes that are not committed. */
  dirty: boolean | null
}

/** @param folder a folder on the disk that is measured. */
export async function describeMachine (folder: string): Promise<Machine> {
  const cpus = os.cpus()
  return {
    cores: cpus.length,
    processor: cpus[0]?.model.trim() ?? 'unknown',
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    architecture: os.arch(),
    node: process.version,
    disk: await describeDisk(folder),
  }
}

/** Commit and state of the working tree that this program runs from. */
export async function describeSource (): Promise<Source> {
  try {
    const options = { cwd: import.meta.dirname, timeout: 10_000 }
    const run = promisify(execFile)
    const { stdout: commit } = await run('git', ['rev-parse', 'HEAD'], options)
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--untracked-files=normal'], options)
    return { commit: commit.trim(), dirty: changes.trim() !== '' }
  } catch {
    return { commit: null, dirty: null }
  }
}

/** From the kernel's list of mounts: the longest mount point above the folder. */
async function describeDisk (folder: string): Promise<Machine['disk']> {
  try {
    const path = await realpath(folder)
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).trim().split('\n').map(line => line.split(' '))
    let found: { point: string, device: string, fileSystem: string, mountOptions: string } | null = null
    for (const [device = '', point = '', fileSystem = '', mountOptions = ''] of mounts) {
      const above = path === point || path.startsWith(point === '/' ? '/' : `${point}/`)
      if (above && point.length >= (found?.point.length ?? 0)) found = { point, device, fileSystem, mountOptions }
    }
    if (found === null) return null
    const { device, fileSystem, mountOptions } = found
    return { device, fileSystem, mountOptions, model: await diskModel(device) }
  } catch {
    return null
  }
}

async function diskModel (device: string): Promise<string | null> {
  const name = device.replace(/^\/dev\//, '').replace(/p?\d+$/, '')
  try {
    return (await readFile(`/sys/block/${name}/device/model`, 'utf8')).trim()
  } catch {
    return null
  }
}
