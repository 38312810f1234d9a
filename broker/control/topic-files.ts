// A copy of each topic's record beside its logs, so that losing the control store loses no topic.
//
//   logs/<topicId>/topic.json   the record: written before the topic exists for others, and with each change
//   logs/<topicId>/deleted      empty: the deletion of the topic has begun and will be finished
//
// Both appear atomically (written aside, synced, renamed). The control store comes first; these files speak where it
// does not know the topic.

import { DiskError, readWholeFile, writeFileAtomically, type Disk } from '@sluice/storage'
import { forEachAtOnce } from '../runtime/for-each-at-once.js'
import { isTopicRecord, type TopicRecord } from './topic-record.js'

const RECORD_FILE = 'topic.json'
const DELETED_FILE = 'deleted'
const FOLDERS_AT_ONCE = 32

/** What the files say of one topic folder. */
export interface TopicFolder { topicId: string, record: TopicRecord | null, deleted: boolean }

export class TopicFiles {
  private readonly disk: Disk
  private readonly logsFolder: string

  constructor (disk: Disk, dataFolder: string) {
    this.disk = disk
    this.logsFolder = `${dataFolder}/logs`
  }

  /** What the folders of all topics say. */
  async scan (): Promise<TopicFolder[]> {
    const topicIds = await this.disk.list(this.logsFolder)
    const folders: TopicFolder[] = []
    await forEachAtOnce(topicIds.length, FOLDERS_AT_ONCE, async index => {
      const topicId = topicIds[index]!
      const names = await this.namesIn(topicId)
      // What is not a folder is not ours: logs/clean, or what somebody has left there.
      if (names === null) return
      const record = names.includes(RECORD_FILE) ? await this.readRecord(topicId) : null
      folders.push({ topicId, record, deleted: names.includes(DELETED_FILE) })
    })
    return folders
  }

  async write (record: TopicRecord): Promise<void> {
    await this.put(record.topicId, RECORD_FILE, Buffer.from(JSON.stringify(record, null, 2) + '\n'))
  }

  async markDeleted (topicId: string): Promise<void> {
    await this.put(topicId, DELETED_FILE, Buffer.alloc(0))
  }

  /** Takes a deletion back that was begun and could not be decided. */
  async unmarkDeleted (topicId: string): Promise<void> {
    await this.disk.remove(`${this.folder(topicId)}/${DELETED_FILE}`)
    await this.disk.syncDirectory(this.folder(topicId))
  }

  /** Removes what is left of a topic, logs included. */
  async remove (topicId: string): Promise<void> {
    await this.disk.removeDirectory(this.folder(topicId))
    await this.disk.syncDirectory(this.logsFolder)
  }

  private folder (topicId: string): string { return `${this.logsFolder}/${topicId}` }

  private async namesIn (topicId: string): Promise<string[] | null> {
    try {
      return await this.disk.list(this.folder(topicId))
    } catch (cause) {
      if (cause instanceof DiskError && cause.code === 'ENOTDIR') return null
      throw cause
    }
  }

  private async readRecord (topicId: string): Promise<TopicRecord | null> {
    const bytes = await readWholeFile(this.disk, `${this.folder(topicId)}/${RECORD_FILE}`)
    try {
      const record: unknown = JSON.parse(bytes?.toString() ?? '')
      return isTopicRecord(record) && record.topicId === topicId ? record : null
    } catch {
      return null
    }
  }

  private async put (topicId: string, name: string, bytes: Buffer): Promise<void> {
    await this.disk.makeDirectory(this.folder(topicId))
    await writeFileAtomically(this.disk, this.folder(topicId), name, bytes)
    await this.disk.syncDirectory(this.logsFolder)
  }
}
