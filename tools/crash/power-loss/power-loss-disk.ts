// A folder on a disk that can lose power: what the processes that use it have not synced may be gone afterwards.
//
//   const disk = await PowerLossDisk.open(data)
//   const broker = await BrokerProcess.start({ data, environment: disk.environment })
//   await broker.kill()
//   await disk.powerLoss(random)        // puts the folder into a state that a power cut could have left it in
//   …start again, kill again: what was not synced by then stays in doubt until it is, or power is lost
//
//   FOLDER               the files, as they are without the layer
//   FOLDER.power-loss/   journals of what may be lost (layer.c), graves/ of files without a name, boot-id
//
// - One process at a time, and none while a method runs. The folder may be changed by others after `powerLoss` only:
//   everything there is counts as durable then.
// - After a power loss processes find another boot id, as after a start of the machine.

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SeededRandom } from '../seeded-random.js'
import { buildLayer } from './build-layer.js'
import { ByteChanges } from './byte-changes.js'
import { CHANGE, takeJournals } from './journal.js'
import { LOSS_STYLES, LossChoice, type LossStyle } from './loss-style.js'
import { NameChanges } from './name-changes.js'

export interface PowerLossOptions {
  /** The disk says that it has synced, and has not. Nothing can live with that: tests of tests use it. */
  readonly lies?: boolean
}

/** What a power loss has taken. */
export interface PowerLossReport {
  readonly style: LossStyle
  /** Changes of files and names that were not durable. */
  readonly atRisk: number
  /** Writes and cuts of files that were taken back, wholly or in part. */
  readonly lostWrites: number
  /** Names that came, went or changed and did so no more. */
  readonly lostNames: number
}

export class PowerLossDisk {
  readonly folder: string
  /** For the processes that use the folder. */
  readonly environment: Readonly<Record<string, string>>
  private readonly journal: string
  private readonly lies: boolean
  private readonly bytes = new ByteChanges()
  private readonly names: NameChanges
  /** Number of the next entry. */
  private nextNumber = 0

  private constructor (folder: string, layer: string, lies: boolean) {
    this.folder = folder
    this.journal = `${folder}.power-loss`
    this.lies = lies
    this.names = new NameChanges(join(this.journal, 'graves'))
    this.environment = {
      LD_PRELOAD: layer,
      SLUICE_POWER_LOSS_FOLDER: folder,
      SLUICE_POWER_LOSS_JOURNAL: this.journal,
      // Requests to the kernel that no library call makes would not be seen.
      UV_USE_IO_URING: '0',
    }
  }

  /** Makes the folder where it is missing; what is in it counts as durable. @throws Error without a C compiler. */
  static async open (folder: string, options: PowerLossOptions = {}): Promise<PowerLossDisk> {
    const layer = await buildLayer()
    await mkdir(folder, { recursive: true })
    const disk = new PowerLossDisk(await realpath(folder), layer, options.lies === true)
    await rm(disk.journal, { recursive: true, force: true })
    await mkdir(join(disk.journal, 'graves'), { recursive: true })
    await disk.startMachine()
    return disk
  }

  /** Takes from the folder, which no process may use, what a power cut at this moment could take. */
  async powerLoss (random: SeededRandom, style: LossStyle = random.pick(LOSS_STYLES)): Promise<PowerLossReport> {
    await this.settle()
    const numbers = [...this.bytes.numbers(), ...this.names.numbers()]
    const choice = new LossChoice(style, numbers.length === 0 ? 0 : random.pick(numbers), random)
    const lostNames = await this.names.undo(choice)
    const lostWrites = await this.bytes.undo(await filesBelow(this.folder), choice)
    this.bytes.clear()
    this.names.clear()
    await this.clearGraves()
    await this.startMachine()
    return { style, atRisk: numbers.length, lostWrites, lostNames }
  }

  /**
   * Takes in what the processes so far have left: what they have synced is off the disk of journals. To be called now
   * and then where processes come and go without a power loss.
   */
  async settle (): Promise<void> {
    for await (const entries of takeJournals(this.journal)) {
      const first = this.nextNumber
      for (const entry of entries) {
        const number = this.nextNumber++
        const { kind, inode, position } = entry
        if (kind === CHANGE.sync) {
          if (!this.lies) this.bytes.onSync(inode, first + position)
        } else if (kind === CHANGE.syncDirectory) {
          if (!this.lies) this.names.onSync(inode, first + position)
        } else if (kind === CHANGE.write || kind === CHANGE.resize) {
          this.bytes.add(number, this.lies ? { ...entry, isDurable: false } : entry)
        } else {
          this.names.add(number, entry)
        }
      }
      this.bytes.detach()
    }
    await this.clearGraves()
  }

  /** Removes files that cannot come back any more. */
  private async clearGraves (): Promise<void> {
    const graves = join(this.journal, 'graves')
    const buried = this.names.buried()
    for (const name of await readdir(graves)) {
      const inode = Number(name)
      if (buried.has(inode)) continue
      const path = join(graves, name)
      if ((await stat(path)).nlink === 1) this.bytes.forget(inode)
      await rm(path)
    }
  }

  private async startMachine (): Promise<void> {
    await writeFile(join(this.journal, 'boot-id'), `${randomUUID()}\n`)
  }
}

/** Paths of all files below a folder, by inode. */
async function filesBelow (folder: string): Promise<Map<number, string>> {
  const paths = new Map<number, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    paths.set((await stat(path)).ino, path)
  }
  return paths
}
