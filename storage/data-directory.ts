// A broker's data folder: what it is, whose it is, who uses it now, and how it was left.
//
//   DIRECTORY/sluice.json       identity: format version, store, cluster, broker. Written once.
//   DIRECTORY/started.json      the start that is, or was, the last one: time and boot of the machine
//   DIRECTORY/stopped.json      there only after a clean stop, until the next start
//   DIRECTORY/lock/             one process at a time: directory-lock.ts
//   DIRECTORY/logs/, meta/, …   the data, laid out by others
//
// - A folder with anything else in it and no identity is refused: a mistyped path must not be written to.
// - The store id names this very copy of the data: a wiped folder gets another, so it is not taken for the old one.
// - A start that finds no stopped.json follows a crash; a boot id other than the last means that the machine was
//   started anew, and what was not synced may be lost. Where this is unknown, the worse is assumed.
// - Marking a start needs no space on the disk: it deletes stopped.json.

import { randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { readWholeFile, UNFINISHED_SUFFIX, writeFileAtomically } from './atomic-file.js'
import { DataDirectoryError } from './data-directory-error.js'
import { DirectoryLock } from './directory-lock.js'
import { DiskError, type Disk } from './disk.js'
import { NodeDisk } from './node-disk.js'

/** The version of the layout this program writes; it reads this one and those below. */
export const FORMAT_VERSION = 1

export interface DataDirectoryIdentity {
  readonly formatVersion: number
  /** 32 hex digits, drawn when the folder was made. */
  readonly storeId: string
  /** A UUID. */
  readonly clusterId: string
  readonly brokerId: number
  /** ISO 8601. */
  readonly createdAt: string
}

/** How the folder was left by the broker that used it before. */
export interface LastStop {
  /** Nobody used it before. */
  readonly first: boolean
  /** It was stopped in order, or never used. */
  readonly clean: boolean
  /** The machine was started anew since, or may have been. */
  readonly rebooted: boolean
}

export interface DataDirectoryOptions {
  /** Required of a folder that is there; given to one that is made. Default: its own; a new UUID. */
  clusterId?: string
  /** Required of a folder that is there; given to one that is made. Default: its own; 1. */
  brokerId?: number
  /** Default: a NodeDisk. */
  disk?: Disk
  /** Set to false where the disk is no real one. Default: true. */
  lock?: boolean
  /** Names the machine's current boot; null where that is unknown. Default: what Linux says. */
  bootId?: () => string | null
  /** Milliseconds since 1970. Default: the clock. */
  now?: () => number
}

const IDENTITY = 'sluice.json'
const STARTED = 'started.json'
const STOPPED = 'stopped.json'
/** What may lie in a folder that is new to us: what a start that crashed left, and what a mount point has. */
const HARMLESS = new Set(['lock', 'lost+found', IDENTITY + UNFINISHED_SUFFIX])

interface Mark { readonly bootId: string | null, readonly at: string }

export class DataDirectory {
  readonly path: string
  readonly identity: DataDirectoryIdentity
  readonly lastStop: LastStop
  private readonly disk: Disk
  private readonly lock: DirectoryLock | null
  private readonly bootId: string | null
  private readonly now: () => number

  private constructor (
    directory: string, identity: DataDirectoryIdentity, lastStop: LastStop, lock: DirectoryLock | null,
    bootId: string | null, disk: Disk, now: () => number
  ) {
    this.path = directory
    this.identity = identity
    this.lastStop = lastStop
    this.lock = lock
    this.bootId = bootId
    this.disk = disk
    this.now = now
  }

  /**
   * Locks a data folder, making it where it is missing or empty.
   *
   * Throws DataDirectoryError (see its codes), DiskError for what else the disk reports, and LmdbMissingError.
   */
  static async open (directory: string, options: DataDirectoryOptions = {}): Promise<DataDirectory> {
    const { disk = new NodeDisk(), now = Date.now } = options
    directory = path.resolve(directory)
    let lock: DirectoryLock | null = null
    try {
      if (await disk.stat(directory) === null) {
        await disk.makeDirectory(directory)
        await disk.syncDirectory(path.dirname(directory))
      }
      // Before the lock: nothing is written into a folder that is not ours. And after: another may have made it ours.
      await readIdentity(disk, directory)
      if (options.lock !== false) lock = await DirectoryLock.acquire(directory)
      const identity = await readIdentity(disk, directory) ?? await makeIdentity(disk, directory, options, now)
      checkIdentity(directory, identity, options)
      const bootId = (options.bootId ?? readBootId)()
      const lastStop = await readLastStop(disk, directory, bootId)
      return new DataDirectory(directory, identity, lastStop, lock, bootId, disk, now)
    } catch (error) {
      lock?.release()
      throw explained(error, directory)
    }
  }

  /** What a folder says of itself, without locking it; null where it is missing or empty. Throws as `open`. */
  static async inspect (directory: string, disk: Disk = new NodeDisk()): Promise<DataDirectoryIdentity | null> {
    return await readIdentity(disk, path.resolve(directory))
  }

  /**
   * Says durably that the folder is in use: from now until `markClean` a start follows a crash. Call it before anything
   * is written. Resolves to `lastStop`. Throws DataDirectoryError 'NOT_WRITABLE' and DiskError.
   */
  async markDirty (): Promise<LastStop> {
    try {
      await this.disk.remove(`${this.path}/${STOPPED}`)
      await this.disk.syncDirectory(this.path)
      await this.writeMark(STARTED)
    } catch (error) {
      if (!(error instanceof DiskError) || (error.code !== 'ENOSPC' && error.code !== 'EDQUOT')) {
        throw explained(error, this.path)
      }
      // No space for a new mark: an old one would name the wrong boot, so there is none.
      await this.disk.remove(`${this.path}/${STARTED}`)
      await this.disk.syncDirectory(this.path)
    }
    return this.lastStop
  }

  /** Says durably that everything is on the disk. Call it last, then `close`. Throws DiskError. */
  async markClean (): Promise<void> {
    await this.writeMark(STOPPED)
  }

  /** Gives the lock back. */
  async close (): Promise<void> {
    this.lock?.release()
  }

  private async writeMark (name: string): Promise<void> {
    const mark: Mark = { bootId: this.bootId, at: new Date(this.now()).toISOString() }
    await writeFileAtomically(this.disk, this.path, name, Buffer.from(JSON.stringify(mark) + '\n'))
  }
}

async function readIdentity (disk: Disk, directory: string): Promise<DataDirectoryIdentity | null> {
  const contents = await readWholeFile(disk, `${directory}/${IDENTITY}`)
  if (contents !== null) return parseIdentity(directory, contents)
  const names = await listFolder(disk, directory)
  const foreign = names.filter(name => !HARMLESS.has(name))
  if (foreign.length === 0) return null
  const some = foreign.slice(0, 3).join(', ') + (foreign.length > 3 ? ', …' : '')
  throw new DataDirectoryError('FOREIGN_FOLDER', directory,
    `${directory} is not a Sluice data folder: it holds ${some} and no ${IDENTITY}. Give an empty or a new folder; if ` +
    `this one was a data folder, restore its ${IDENTITY}.`)
}

async function listFolder (disk: Disk, directory: string): Promise<string[]> {
  try {
    return await disk.list(directory)
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOTDIR') throw error
    throw new DataDirectoryError('FOREIGN_FOLDER', directory, `${directory} is a file. Give a folder.`, error)
  }
}

function parseIdentity (directory: string, contents: Buffer): DataDirectoryIdentity {
  let identity: Partial<DataDirectoryIdentity> | null
  try {
    identity = JSON.parse(contents.toString('utf8')) as Partial<DataDirectoryIdentity> | null
  } catch {
    identity = null
  }
  const formatVersion = identity?.formatVersion
  // Looked at first: what else a newer version writes is its own business.
  if (typeof formatVersion === 'number' && formatVersion > FORMAT_VERSION) {
    throw new DataDirectoryError('NEWER_FORMAT', directory,
      `The data folder ${directory} has the format version ${formatVersion}; this program knows ${FORMAT_VERSION} at ` +
      'most. Use the version of Sluice that wrote it, or a newer one.')
  }
  if (identity === null || typeof formatVersion !== 'number' || !(formatVersion >= 1) ||
    typeof identity.storeId !== 'string' || !/^[0-9a-f]{32}$/.test(identity.storeId) ||
    typeof identity.clusterId !== 'string' || !Number.isInteger(identity.brokerId) ||
    typeof identity.createdAt !== 'string') {
    throw new DataDirectoryError('DAMAGED', directory,
      `${directory}/${IDENTITY} is damaged. Restore that file from a backup; the data beside it was not touched.`)
  }
  return identity as DataDirectoryIdentity
}

function checkIdentity (directory: string, identity: DataDirectoryIdentity, options: DataDirectoryOptions): void {
  const { clusterId, brokerId } = options
  if (clusterId !== undefined && clusterId !== identity.clusterId) {
    throw new DataDirectoryError('WRONG_CLUSTER', directory,
      `The data folder ${directory} belongs to the cluster ${identity.clusterId}, not ${clusterId}. Give the folder of ` +
      'this cluster, or correct the cluster id.')
  }
  if (brokerId !== undefined && brokerId !== identity.brokerId) {
    throw new DataDirectoryError('WRONG_BROKER', directory,
      `The data folder ${directory} belongs to broker ${identity.brokerId}, not ${brokerId}. Give the folder of this ` +
      'broker, or correct the broker id.')
  }
}

async function makeIdentity (
  disk: Disk, directory: string, options: DataDirectoryOptions, now: () => number
): Promise<DataDirectoryIdentity> {
  const identity: DataDirectoryIdentity = {
    formatVersion: FORMAT_VERSION,
    storeId: randomBytes(16).toString('hex'),
    clusterId: options.clusterId ?? randomUUID(),
    brokerId: options.brokerId ?? 1,
    createdAt: new Date(now()).toISOString(),
  }
  await writeFileAtomically(disk, directory, IDENTITY, Buffer.from(JSON.stringify(identity, null, 2) + '\n'))
  return identity
}

async function readLastStop (disk: Disk, directory: string, bootId: string | null): Promise<LastStop> {
  const stopped = await readMark(disk, `${directory}/${STOPPED}`)
  const started = await readMark(disk, `${directory}/${STARTED}`)
  const last = stopped ?? started
  const rebooted = last === null || bootId === null || last.bootId !== bootId
  const names = await disk.list(directory)
  // Besides its identity a folder that was never used holds nothing of ours.
  const first = last === null && names.every(name => name === IDENTITY || HARMLESS.has(name))
  return { first, clean: first || stopped !== null, rebooted: rebooted && !first }
}

/** A mark that cannot be read counts as none: then a crash is assumed. */
async function readMark (disk: Disk, filePath: string): Promise<Mark | null> {
  const contents = await readWholeFile(disk, filePath)
  if (contents === null) return null
  try {
    const mark = JSON.parse(contents.toString('utf8')) as Partial<Mark> | null
    return typeof mark?.at === 'string' ? { bootId: mark.bootId ?? null, at: mark.at } : null
  } catch {
    return null
  }
}

function readBootId (): string | null {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return null
  }
}

/** Says what to do where the folder cannot be written; other errors stay as they are. */
function explained (error: unknown, directory: string): unknown {
  if (!(error instanceof DiskError) || !['EACCES', 'EPERM', 'EROFS'].includes(error.code)) return error
  return new DataDirectoryError('NOT_WRITABLE', directory,
    `The data folder ${directory} cannot be written (${error.message}). Check its owner and mode, and that its file ` +
    'system is not mounted read-only.', error)
}
