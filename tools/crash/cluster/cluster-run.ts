// A cluster of real processes under load, struck by one fault after the other, and everything that it said held against
// it.
//
//   load      ███████████████████████████████████████████████░░░   processes of clients; ░ readers and workers finish
//   faults      ▒▒▒▒  ▒▒▒▒▒▒▒▒  ▒▒▒  ▒▒▒▒▒▒                        one or two at a time, then everything is healed
//                       ▒▒▒▒▒
//   cluster   ██████████████████████████████████████████████████ ■ ██ stopped or killed as a whole, and started again
//   check                                              liveness   └ files of all replicas, then the histories
//   chapter   ├─────────────────────────────────────────────────────┤ the next one has new topics of the same names
//
// Memory is bounded by a chapter, however long a run is. A chapter is drawn from a seed of its own: that of the run and
// its number.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type Client } from '@sluice/client'
import type { HistoryFigures } from '../queue/queue-checker.js'
import { SeededRandom } from '../seeded-random.js'
import { NEEDS_DISK, smallDisk, type SmallDisk } from '../small-disk.js'
import { ClusterChapter } from './cluster-chapter.js'
import { FaultCluster } from './fault-cluster.js'
import { FAULTS } from './faults.js'
import type { StreamFigures } from './stream-checker.js'

export interface ClusterRunOptions {
  readonly brokers: number
  readonly etcdMembers: number
  readonly seed: number
  /** It goes on until there were so many faults … */
  readonly faults: number
  /** … and so many records were acknowledged. */
  readonly records: number
  /** Folder for everything; it is left as it is at the end. */
  readonly folder: string
  /** Faults to choose from, by name. Default all. */
  readonly only?: readonly string[]
  /**
   * Brokers run on disks that lose power on command, as some faults do, and that are never full. Default false: one
   * disk can be full, and none loses power.
   */
  readonly powerLoss?: boolean
  /** Default 10. */
  readonly faultsPerChapter?: number
  /** What producers aim at, all together. Default 8,000. */
  readonly recordsPerSecond?: number
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void
}

export interface ClusterReport extends StreamFigures {
  readonly brokers: number
  readonly etcdMembers: number
  readonly seed: number
  readonly chapters: number
  /** Faults that have struck, by name. */
  readonly faults: Readonly<Record<string, number>>
  readonly queues: HistoryFigures
  /** Longest time from when everything was healed until every replica had everything, in milliseconds. */
  readonly healedMsMax: number
  readonly violations: readonly string[]
}

const FAULTS_PER_CHAPTER = 10
const RECORDS_PER_SECOND = 8_000
const DISK_MIB = 3_072
const VIOLATIONS_MAX = 50

/** Runs it; violations are in the report, and end it. @throws where a process does not do what it should. */
export async function clusterRun (options: ClusterRunOptions): Promise<ClusterReport> {
  for (const name of options.only ?? []) {
    if (!Object.hasOwn(FAULTS, name)) throw new Error(`there is no fault ${name}; use some of ${Object.keys(FAULTS).join(', ')}`)
  }
  // Each process is ended with this one.
  process.setMaxListeners(0)
  // A disk that loses power has to note what it may take back: there must be space for that.
  const hasSmallDisk = NEEDS_DISK.skip === undefined && options.powerLoss !== true
  const disk = hasSmallDisk ? await smallDisk(DISK_MIB) : null
  try {
    return await new ClusterRun(options, disk).run()
  } finally {
    await disk?.[Symbol.asyncDispose]()
  }
}

class ClusterRun {
  private readonly options: ClusterRunOptions
  private readonly disk: SmallDisk | null
  private readonly violations: string[] = []
  private readonly faults: Record<string, number> = {}
  private readonly streams: StreamFigures = { sent: 0, acknowledged: 0, refused: 0, unknown: 0, polled: 0, commits: 0 }
  private queues: HistoryFigures =
    { sent: 0, delivered: 0, settled: 0, deadLetters: 0, moved: 0, resumed: 0, lateMsMax: 0 }

  private healedMsMax = 0
  private chapters = 0

  constructor (options: ClusterRunOptions, disk: SmallDisk | null) {
    this.options = options
    this.disk = disk
  }

  async run (): Promise<ClusterReport> {
    const { folder, brokers, etcdMembers, seed, powerLoss: withPowerLoss = false } = this.options
    const random = new SeededRandom(seed)
    const { disk } = this
    await using cluster = await FaultCluster.start({ folder, brokers, etcdMembers, random, disk, withPowerLoss })
    const retry = { initialDelayMs: 20, maxDelayMs: 500 }
    const client = connect({ brokers: () => cluster.addresses, clientId: 'run', retry })
    try {
      while (!this.isDone && this.violations.length === 0) await this.chapter(cluster, client)
    } finally {
      await client.close({ drainTimeoutMs: 0 }).catch(() => {})
    }
    const { streams, faults, queues, healedMsMax, violations, chapters } = this
    return { brokers, etcdMembers, seed, chapters, ...streams, faults, queues, healedMsMax, violations }
  }

  private get isDone (): boolean {
    const { faults, records } = this.options
    return this.chapters > 0 && this.faultCount >= faults && this.streams.acknowledged >= records
  }

  private get faultCount (): number { return Object.values(this.faults).reduce((sum, count) => sum + count, 0) }

  private async chapter (cluster: FaultCluster, client: Client): Promise<void> {
    const { options, violations } = this
    const { folder, seed, say = () => {} } = options
    const number = this.chapters++
    const own = join(folder, `chapter-${number}`)
    const chapter = new ClusterChapter({
      cluster,
      client,
      folder: own,
      random: new SeededRandom(seed + number),
      only: options.only ?? Object.keys(FAULTS),
      faults: options.faultsPerChapter ?? FAULTS_PER_CHAPTER,
      recordsPerSecond: options.recordsPerSecond ?? RECORDS_PER_SECOND,
      say: line => say(`  ${line}`),
      report: violation => {
        if (violations.length < VIOLATIONS_MAX) violations.push(violation)
        say(`VIOLATION ${violation}`)
      },
    })
    const { streams, queues, healedMs, faults } = await chapter.run()
    for (const name of Object.keys(streams) as (keyof StreamFigures)[]) this.streams[name] += streams[name]
    for (const [name, count] of Object.entries(faults)) this.faults[name] = (this.faults[name] ?? 0) + count
    this.queues = addedUp(this.queues, queues)
    this.healedMsMax = Math.max(this.healedMsMax, healedMs)
    say(`chapter ${number} (seed ${seed + number}): ${this.faultCount} faults, ` +
      `${this.streams.acknowledged} records acknowledged, ` +
      `all replicas whole ${healedMs} ms after healing${violations.length === 0 ? '' : `, ${violations.length} VIOLATIONS`}`)
    if (violations.length === 0) await rm(own, { recursive: true })
  }
}

function addedUp (one: HistoryFigures, other: HistoryFigures): HistoryFigures {
  const sum = { ...one }
  for (const name of Object.keys(one) as (keyof HistoryFigures)[]) {
    Object.assign(sum, { [name]: name === 'lateMsMax' ? Math.max(one[name], other[name]) : one[name] + other[name] })
  }
  return sum
}
