// Reads below the high watermark of any replica: what it gets may be old, and is never wrong.

import { BATCH_POSITION } from '@sluice/protocol'
import type { SeededRandom } from '../crash/seeded-random.js'
import { shadowOf } from './log-shadow.js'
import type { SimWorld } from './sim-world.js'

export class SimReader {
  private readonly world: SimWorld
  private readonly random: SeededRandom

  constructor (world: SimWorld, random: SeededRandom) {
    this.world = world
    this.random = random
  }

  start (): void {
    this.world.queue.after(20 + 60 * this.random.next(), () => {
      this.read()
      this.start()
    })
  }

  private read (): void {
    const broker = this.random.pick(this.world.brokers)
    const partition = this.random.between(0, this.world.options.partitions)
    const index = this.random.between(0, 2)
    const share = this.random.next()
    broker.act(() => {
      const replicated = broker.replicaOf(partition)?.replica.logs[index]
      if (replicated === undefined) return
      const { startOffset, readableOffset, log } = replicated
      if (readableOffset <= startOffset) return
      const from = startOffset + Math.floor((readableOffset - startOffset) * share)
      const { store } = broker
      log.read(from, 4_000, readableOffset, (error, slice) => {
        const kind = error === null ? 'read' : `read ${error.kind}`
        this.world.log.add(this.world.queue.nowMs, kind, `${partition}.${index} ${from} ${slice?.nextOffset ?? -1}`)
        for (const bytes of slice?.buffers ?? []) {
          for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at + BATCH_POSITION.size)) {
            this.world.checker.onRead(store, partition, index, shadowOf(bytes, at))
          }
        }
      })
    })
  }
}
