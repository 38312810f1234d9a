// The lock of a data folder: one process at a time, released by the kernel when that process ends, however it ends.
//
//   DIRECTORY/lock/lock.mdb      what is locked, a reader table of LMDB with room for one reader
//   DIRECTORY/lock/data.mdb      the empty environment it belongs to
//   DIRECTORY/lock/holder.json   who holds it, for the message to others; no part of the lock itself
//
// Node.js has no file locks, but LMDB has: whoever opens an environment takes an fcntl lock on its lock file, and who
// is alone there begins with an empty reader table. So a process holds the lock when it has the table's only entry.
//
//   alone (no other process has it open, the last one dead or not)  -->  table emptied  -->  entry taken: held
//   not alone                                                      -->  table kept     -->  no room: not held
//
// - No time-outs: a holder that is stopped (SIGSTOP, swapped out) still holds it. kill -9 frees it at once.
// - No stale lock to be removed, so no race between two that remove it. Of several starters one gets it; others may
//   see each other instead of a holder for a moment, so each looks again a few times before it gives up.
// - Containers that share a volume on one host lock each other out; a network file system does not do.
// - POSIX drops fcntl locks when their process closes the file, whichever way it opened it: nothing else may open
//   lock.mdb, and one process opens each folder once.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Env, Txn } from 'node-lmdb'
import { DataDirectoryError } from './data-directory-error.js'
import { DiskError } from './disk.js'
import { checkLmdbFile } from './lmdb-file-check.js'
import { loadLmdb } from './lmdb.js'

/** Who holds a lock, as far as it said so. */
export interface LockHolder { readonly pid: number, readonly host: string, readonly since: string }

const MAP_BYTES = 64 * 1024
const ATTEMPT_COUNT = 12
const ATTEMPT_PAUSE_MS = 15

/** An open environment and its reader, which is the lock. */
interface HeldLock { readonly environment: Env, readonly reader: Txn }

/**
 * The locks this process holds, by the real path of the folder; null while it tries. Held here so that a lock lasts
 * even when nobody refers to its DirectoryLock: node-lmdb ends a transaction that is garbage collected.
 */
const heldHere = new Map<string, HeldLock | null>()

export class DirectoryLock {
  private readonly realPath: string
  private readonly held: HeldLock

  private constructor (realPath: string, held: HeldLock) {
    this.realPath = realPath
    this.held = held
  }

  /**
   * Locks an existing folder.
   *
   * Throws DataDirectoryError 'LOCKED' after about a quarter of a second where another process, or this one, holds it;
   * DiskError, and LmdbMissingError.
   */
  static async acquire (directory: string): Promise<DirectoryLock> {
    const lockDirectory = path.join(directory, 'lock')
    let realPath: string
    try {
      realPath = fs.realpathSync(directory)
      fs.mkdirSync(lockDirectory, { recursive: true, mode: 0o750 })
    } catch (error) {
      throw DiskError.from(error, 'lock', directory)
    }
    // Said before anything is opened: a second environment would end the lock of the first when it is closed.
    if (heldHere.has(realPath)) throw lockedError(directory)
    heldHere.set(realPath, null)
    try {
      for (let attempt = 1; ; attempt++) {
        const held = await tryLock(lockDirectory)
        if (held !== null) {
          heldHere.set(realPath, held)
          writeHolder(lockDirectory)
          return new DirectoryLock(realPath, held)
        }
        if (attempt === ATTEMPT_COUNT) throw lockedError(directory)
        // A different pause each time, lest two starters keep meeting.
        await new Promise(resolve => setTimeout(resolve, ATTEMPT_PAUSE_MS * (0.5 + Math.random())))
      }
    } catch (error) {
      heldHere.delete(realPath)
      throw error
    }
  }

  release (): void {
    if (heldHere.get(this.realPath) !== this.held) return
    fs.rmSync(path.join(this.realPath, 'lock', 'holder.json'), { force: true })
    this.held.reader.abort()
    this.held.environment.close()
    heldHere.delete(this.realPath)
  }
}

/** Who holds the lock of a folder, or held it when it was killed; null where nobody said so. */
export function readLockHolder (directory: string): LockHolder | null {
  try {
    const holder = JSON.parse(fs.readFileSync(path.join(directory, 'lock', 'holder.json'), 'utf8')) as LockHolder
    return typeof holder.pid === 'number' ? holder : null
  } catch {
    return null
  }
}

/** The lock, or null where it could not be had now. */
async function tryLock (lockDirectory: string): Promise<HeldLock | null> {
  const lmdb = loadLmdb()
  const dataPath = path.join(lockDirectory, 'data.mdb')
  try {
    await checkLmdbFile(dataPath)
  } catch {
    // It holds nothing, and the lock is on the other file: a power cut may have left it half made.
    fs.rmSync(dataPath, { force: true })
  }
  const environment = new lmdb.Env()
  try {
    environment.open({ path: lockDirectory, mapSize: MAP_BYTES, maxReaders: 1, noSync: true })
  } catch (error) {
    const code = systemCodeOf(error)
    if (code !== null) throw new DiskError(code, 'lock', lockDirectory, error)
    // MDB_INVALID and the like: the lock file was being made or given up by another.
    return null
  }
  try {
    const reader = environment.beginTxn({ readOnly: true })
    // A table that once had more room would take a second reader.
    if (environment.info().numReaders === 1) return { environment, reader }
    reader.abort()
  } catch {
    // MDB_READERS_FULL: the holder has the only entry.
  }
  environment.close()
  return null
}

/** The holder is told for the message only: on a full disk the lock does without. */
function writeHolder (lockDirectory: string): void {
  const holderPath = path.join(lockDirectory, 'holder.json')
  const holder: LockHolder = { pid: process.pid, host: os.hostname(), since: new Date().toISOString() }
  try {
    fs.writeFileSync(`${holderPath}.new`, JSON.stringify(holder) + '\n')
    fs.renameSync(`${holderPath}.new`, holderPath)
  } catch {
    fs.rmSync(holderPath, { force: true })
  }
}

function lockedError (directory: string): DataDirectoryError {
  const holder = readLockHolder(directory)
  const by = holder === null ? '' : ` (process ${holder.pid} on ${holder.host}, since ${holder.since})`
  return new DataDirectoryError('LOCKED', directory,
    `The data folder ${directory} is in use by another process${by}. Stop that process, or use another folder.`)
}

/** LMDB reports errors of the system by their number. */
function systemCodeOf (error: unknown): string | null {
  const number = (error as { code?: unknown }).code
  if (typeof number !== 'number' || number <= 0) return null
  return Object.entries(os.constants.errno).find(([, value]) => value === number)?.[0] ?? 'EIO'
}
