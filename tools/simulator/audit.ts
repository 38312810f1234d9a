// When all has come to rest: what lies on the disks, read from the first byte to the last.
//
//   I7, I14  each log holds what was appended to it, and its files are those of its segments, no more and no less
//   I12      what is kept beside a log (where its epochs begin) is what the log itself says
//
// Reading takes virtual time: `begin`, then let it go by until `isDone`.

import { BATCH_POSITION } from '@sluice/protocol'
import { describeBatch, sameBatch, type ShadowBatch, shadowOf } from './log-shadow.js'
import type { SimBroker } from './sim-broker.js'
import type { SimReplica } from './sim-replica.js'
import type { SimWorld } from './sim-world.js'
import { Violation } from './violation.js'

const LOG_KINDS = ['data', 'state'] as const

export class Audit {
  /** The first thing that is wrong. */
  violation: Violation | null = null
  private readonly world: SimWorld
  private left = 0

  constructor (world: SimWorld) {
    this.world = world
  }

  get isDone (): boolean { return this.left === 0 || this.violation !== null }

  begin (): void {
    for (const broker of this.world.brokers) {
      const paths = new Set(broker.disk.paths().filter(path => path.startsWith('/data/logs/') && path.endsWith('.log')))
      for (const replica of broker.replicas()) {
        for (let index = 0; index < LOG_KINDS.length; index++) {
          this.checkFiles(broker, replica, index, paths)
          this.read(broker, replica, index)
        }
      }
      for (const path of paths) this.fail('I14', `${broker.store} keeps ${path}, which is no part of any log`)
    }
  }

  private checkFiles (broker: SimBroker, replica: SimReplica, index: number, paths: Set<string>): void {
    const { log } = replica.replica.logs[index]!
    const directory = `/data/logs/${replica.topicId}/${replica.index}/${LOG_KINDS[index]!}`
    for (const { baseOffset, endOffset } of log.listSegments()) {
      const path = `${directory}/${String(baseOffset).padStart(20, '0')}.log`
      // The file of a segment is made with its first batch.
      if (!paths.delete(path) && endOffset > baseOffset) this.fail('I14', `${broker.store} misses ${path}`)
    }
  }

  private read (broker: SimBroker, replica: SimReplica, index: number): void {
    const { log } = replica.replica.logs[index]!
    const stored: ShadowBatch[] = []
    // Groups may have something to say still: time passes for them as well.
    const endOffset = log.nextOffset
    this.left++
    broker.act(() => {
      log.replay(log.logStartOffset, (bytes: Buffer) => {
        for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at + BATCH_POSITION.size)) {
          const batch = shadowOf(bytes, at)
          if (batch.baseOffset < endOffset) stored.push(batch)
        }
      }).then(() => {
        this.left--
        this.compare(broker, replica, index, stored, endOffset)
      }, (error: Error) => this.fail('I7', `${this.name(broker, replica, index)} cannot be read: ${error.message}`))
    })
  }

  private compare (
    broker: SimBroker, replica: SimReplica, index: number, stored: readonly ShadowBatch[], endOffset: number,
  ): void {
    const { log } = replica.replica.logs[index]!
    const name = this.name(broker, replica, index)
    const known = this.world.checker.committed(replica.index, index)
    for (const batch of stored) {
      const committed = known.at(batch.baseOffset)
      if (committed === null || !sameBatch(committed, batch)) return this.fail('I7', `${name} holds ${describeBatch(batch)}, not what is committed`)
    }
    const readOffset = stored[stored.length - 1]?.endOffset ?? log.logStartOffset
    if (readOffset !== endOffset) return this.fail('I7', `${name} holds records up to ${readOffset}, and should up to ${endOffset}`)
    this.compareEpochs(name, log.epochs(), stored)
  }

  private compareEpochs (
    name: string, kept: readonly { readonly epoch: number, readonly startOffset: number }[],
    stored: readonly ShadowBatch[],
  ): void {
    const said: string[] = []
    for (const [index, { epoch, baseOffset }] of stored.entries()) {
      if (epoch !== stored[index - 1]?.epoch) said.push(`${epoch} from ${baseOffset}`)
    }
    const noted = kept.filter(({ startOffset }) => stored.length > 0 && startOffset >= stored[0]!.baseOffset)
      .map(({ epoch, startOffset }) => `${epoch} from ${startOffset}`)
    // The first epoch may have begun below the log start.
    const isSame = said.slice(said.length - noted.length).join() === noted.join() && said.length - noted.length <= 1
    if (!isSame && said.length > 0) this.fail('I12', `${name} has noted the epochs ${noted.join()}, and holds ${said.join()}`)
  }

  private name (broker: SimBroker, replica: SimReplica, index: number): string {
    return `${LOG_KINDS[index]!} log of partition ${replica.index} in ${broker.store}`
  }

  private fail (invariant: string, message: string): void {
    this.violation ??= new Violation(invariant, message)
  }
}
