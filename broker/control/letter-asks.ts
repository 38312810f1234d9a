// What a queue group has asked for in this leadership: its dead letters, and where they are.

import type { LetterPlace } from '../queue/endings.js'

interface Place { readonly topicId: string, readonly partition: number }

/** Offsets that go into one ask. */
const FORGOTTEN_MAX = 1_000

export class LetterAsks {
  private latest = 0
  /** Offsets whose letters were asked for, until they are forgotten. */
  private readonly asked = new Set<number>()
  private readonly places = new Map<number, LetterPlace>()
  /** Offsets whose letters are asked for no more, by the partition that has to hear of it with the next ask. */
  private readonly forgotten = new Map<string, number[]>()

  /** The number of the next ask: to be taken when it is about to be sent. */
  next (): number { return ++this.latest }

  /** True where the letter of this record was never asked for. */
  isFirst (offset: number): boolean {
    if (this.asked.has(offset)) return false
    this.asked.add(offset)
    return true
  }

  stored (offset: number, place: LetterPlace): LetterPlace {
    this.places.set(offset, place)
    return place
  }

  placeOf (offset: number): LetterPlace | null { return this.places.get(offset) ?? null }

  /** @param isTold the partition that has the letter is to be told. */
  forget (offset: number, isTold: boolean): void {
    const place = this.places.get(offset)
    this.asked.delete(offset)
    this.places.delete(offset)
    if (place === undefined || !isTold) return
    const name = nameOf(place)
    const offsets = this.forgotten.get(name)
    if (offsets === undefined) this.forgotten.set(name, [offset])
    // What does not fit is forgotten there with time.
    else if (offsets.length < FORGOTTEN_MAX) offsets.push(offset)
  }

  /** What a partition has to hear. It is told once: where that gets lost, it forgets by itself in a while. */
  takeForgotten (place: Place): number[] {
    const name = nameOf(place)
    const offsets = this.forgotten.get(name) ?? []
    this.forgotten.delete(name)
    return offsets
  }
}

function nameOf ({ topicId, partition }: Place): string { return `${topicId}/${partition}` }
