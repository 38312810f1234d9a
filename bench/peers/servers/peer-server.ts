// What is asked of every kind of server: whether it is here, and what is started for a sample.

import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { ExternalServerSpec } from '../../process/external-server.js'

/** A server on this machine, or the reason why it cannot be measured. */
export type Found = { readonly program: string, readonly version: string } | { readonly missing: string }

export interface PeerServer<Settings> {
  find (settings: Settings): Promise<Found>
  /**
   * What to start, on free ports and with all its files below `folder`: one server, or a cluster of `servers` where the
   * peer can be one.
   */
  prepare (program: string, settings: Settings, folder: string, servers: number): Promise<ExternalServerSpec>
}

/** Folders that are often missing in the PATH of people who are not root. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** Where a program is, by the PATH, the folders of the system and `folders`, which come first. */
export function findProgram (name: string, folders: readonly string[] = []): string | null {
  const path = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  for (const folder of [...folders, ...path, ...SYSTEM_FOLDERS]) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return join(folder, name)
    } catch { /* not here */ }
  }
  return null
}

/** Finds a program that prints its version. */
export async function findWithVersion (
  name: string, flag: string, pattern: RegExp, advice: string,
): Promise<Found> {
  const program = findProgram(name)
  if (program === null) return { missing: `${name} is not installed: ${advice}` }
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [flag], { timeout: 10_000 })
    const version = pattern.exec(stdout + stderr)?.[1]
    return version === undefined ? { missing: `${program} ${flag} names no version` } : { program, version }
  } catch (error) {
    return { missing: `${program} does not run: ${(error as Error).message}` }
  }
}
