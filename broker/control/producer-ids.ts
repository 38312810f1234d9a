// Producer ids: unique in the cluster for ever.
//
//   /producer-ids → next free id
//
// Taken from the control store in blocks, so that most calls cost nothing; what is left of a block is lost when the
// broker stops. An id that is given out twice loses records: the first batch of its second holder looks like one that
// is stored already. So the control store alone is not trusted, which may have been lost or be an older copy: a block
// also begins above what the clock says, and above every id that a partition remembers.

import assert from 'node:assert'
import { ControlStoreError, type ControlStore } from './control-store.js'

const KEY = '/producer-ids'
const TRIES_MAX = 100
/** Ids set aside for each millisecond since 1970, so that no block is taken twice, however soon it is asked for. */
const IDS_PER_MILLISECOND = 1024

export class ProducerIds {
  private readonly store: ControlStore
  private readonly blockSize: number
  private readonly wallMs: () => number
  private readonly rememberedMax: () => number
  private nextId = 0
  private endId = 0
  private reserving: Promise<void> | null = null

  /**
   * @param blockSize ids to take at once, at most 1,024.
   * @param rememberedMax the highest id that any partition remembers; -1 where there is none.
   */
  constructor (store: ControlStore, blockSize: number, wallMs: () => number, rememberedMax: () => number) {
    assert(blockSize >= 1 && blockSize <= IDS_PER_MILLISECOND)
    this.store = store
    this.blockSize = blockSize
    this.wallMs = wallMs
    this.rememberedMax = rememberedMax
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
      const stored = entry === null ? 0 : entry.value as number
      const first = Math.max(stored, Math.floor(this.wallMs()) * IDS_PER_MILLISECOND, this.rememberedMax() + 1)
      if (!await this.take(first + this.blockSize, entry?.revision ?? 0)) continue
      this.nextId = first
      this.endId = first + this.blockSize
      return
    }
    throw new Error(`producer ids could not be reserved in ${TRIES_MAX} tries`)
  }

  /** @returns false where others may have the block: also where nobody can tell whether it is ours. */
  private async take (endId: number, revision: number): Promise<boolean> {
    try {
      return await this.store.commit([{ key: KEY, value: endId }], [{ key: KEY, revision }]) !== null
    } catch (error) {
      if (error instanceof ControlStoreError && error.fault === 'ambiguous') return false
      throw error
    }
  }
}
