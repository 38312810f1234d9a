// A data folder without its broker: whose logs are in it, under which topic names.
//
//   DATA/logs/<topicId>/topic.json                    the topic's name
//   DATA/logs/<topicId>/<partition>/data, …/state     its logs

import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { DataDirectory, DirectoryLock, type Disk, type LogId, readWholeFile } from '@sluice/storage'
import { CliError } from './cli-error.js'
import { EXIT } from './exit-code.js'

/** A log and what it is called. */
export interface OfflineLog {
  /** Name of the topic; its id where the name is lost. */
  readonly topic: string
  readonly id: LogId
}

/** Which logs are wanted; everything that is left out is wanted. */
export interface LogChoice { readonly topic?: string, readonly partition?: number }

/**
 * Locks a data folder, so that no broker can start meanwhile, and runs `work` on its logs folder.
 *
 * @throws CliError 3 where it is not there or not a data folder; DataDirectoryError where a broker runs on it.
 */
export async function withOfflineFolder<T> (
  folder: string, disk: Disk, work: (logsFolder: string) => Promise<T>,
): Promise<T> {
  const found = await stat(folder).catch(() => null)
  if (found?.isDirectory() !== true) {
    throw new CliError(EXIT.notFound, `there is no folder ${folder}: name a broker's data folder`)
  }
  if (await DataDirectory.inspect(folder, disk) === null) {
    throw new CliError(EXIT.notFound, `${folder} is empty: name a broker's data folder`)
  }
  const lock = await DirectoryLock.acquire(folder)
  try {
    return await work(`${folder}/logs`)
  } finally {
    lock.release()
  }
}

/** The chosen logs of a folder by topic and partition. @throws CliError 3 where a choice finds none. */
export async function findLogs (disk: Disk, logsFolder: string, choice: LogChoice): Promise<OfflineLog[]> {
  const logs: OfflineLog[] = []
  for (const topicId of await listFolders(disk, logsFolder)) {
    const topic = await topicName(disk, `${logsFolder}/${topicId}`) ?? topicId
    if (choice.topic !== undefined && choice.topic !== topic && choice.topic !== topicId) continue
    for (const partition of await listFolders(disk, `${logsFolder}/${topicId}`)) {
      if (!/^\d+$/.test(partition)) continue
      if (choice.partition !== undefined && choice.partition !== Number(partition)) continue
      for (const kind of ['data', 'state'] as const) {
        if (await disk.stat(`${logsFolder}/${topicId}/${partition}/${kind}`) === null) continue
        logs.push({ topic, id: { topicId, partition: Number(partition), kind } })
      }
    }
  }
  if (logs.length === 0 && (choice.topic !== undefined || choice.partition !== undefined)) {
    throw new CliError(EXIT.notFound, 'no log fits: sluice segment ls without a topic shows all that have files')
  }
  return logs.sort((a, b) =>
    compare(a.topic, b.topic) || a.id.partition - b.id.partition || compare(a.id.kind, b.id.kind))
}

/** The file's own name, for tables. */
export function fileName (path: string): string {
  return basename(path)
}

async function listFolders (disk: Disk, folder: string): Promise<string[]> {
  return await disk.stat(folder) === null ? [] : await disk.list(folder).catch(() => [])
}

async function topicName (disk: Disk, topicFolder: string): Promise<string | null> {
  try {
    const contents = await readWholeFile(disk, `${topicFolder}/topic.json`)
    const { name } = JSON.parse(contents?.toString() ?? '') as { name?: unknown }
    return typeof name === 'string' ? name : null
  } catch {
    return null
  }
}

function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
