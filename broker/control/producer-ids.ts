// Producer ids: unique in the cluster for ever.
//
//   /producer-ids → next free id
//
// Taken from the control store in blocks, so that most calls cost nothing; what is left of a block is lost when the
// broker stops. A fresh control store begins at a number made from the clock: where one had to be rebuilt because its
// disk was lost, the ids that partitions remember must not be handed out again.

import type { ControlStore } from './control-store.js'

const KEY = '/producer-ids'
const TRIES_MAX = 100
/** Ids set aside for each second since 1970: more than any cluster can hand out in one. */
const IDS_PER_SECOND = 2 ** 20

export class ProducerIds {
  private readonly store: ControlStore
  private readonly blockSize: number
  private readonly wallMs: () => number
  private nextId = 0
  private endId = 0
  private reserving: Promise<void> | null = null

  constructor (store: ControlStore, blockSize: number, wallMs: () => number) {
    this.store = store
    this.blockSize = blockSize
    this.wallMs = wallMs
  }

  async next (): Promise<number> {
    while (this.nextId === this.endId) {
      this.reserving ??= this.reserve().finally(() => { this.reserving = null })
      await this.reserving
    }
    return this.nextId++
  }

  private async reserve (): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const entry = await this.store.get(KEY)
      const first = entry === null ? Math.floor(this.wallMs() / 1000) * IDS_PER_SECOND : entry.value as number
      const changes = [{ key: KEY, value: first + this.blockSize }]
      if (await this.store.commit(changes, [{ key: KEY, revision: entry?.revision ?? 0 }]) === null) continue
      this.nextId = first
      this.endId = first + this.blockSize
      return
    }
    throw new Error(`producer ids could not be reserved in ${TRIES_MAX} tries`)
  }
}
