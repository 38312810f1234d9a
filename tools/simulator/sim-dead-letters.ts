// Where the dead letters of one process go: to a dead-letter queue outside of what is simulated, over a network that
// loses, doubles and delays what is asked and what is answered. It keeps one letter for each death.

import type { DeadLetterRequest, DeadLetterSink, LetterPlace } from '@sluice/broker/simulation'
import type { GroupChecker } from './group-checker.js'

const TIMEOUT_MS = 1_000

export interface LetterWorld {
  readonly checker: GroupChecker
  readonly storesTwice: boolean
  readonly dropsLost: boolean
  /** Hears of each letter. */
  note (detail: string): void
  /** Carries something to the dead-letter queue, or back. */
  carry (deliver: () => void): void
  /** Runs something in the process later. */
  after (delayMs: number, run: () => void): void
  /** Runs something in the process. */
  run (work: () => void): void
}

export class SimDeadLetters implements DeadLetterSink {
  private readonly world: LetterWorld

  constructor (world: LetterWorld) {
    this.world = world
  }

  append (request: DeadLetterRequest, done: (place: LetterPlace | null, waitsFor: string) => void): void {
    const { source: { index }, letter: { offset } } = request
    const { checker, storesTwice, dropsLost } = this.world
    const place: LetterPlace = { topicId: 'letters', partition: index, offset }
    let isDone = false
    const answer = (given: LetterPlace | null): void => {
      if (isDone) return
      isDone = true
      done(given, '')
    }
    this.world.carry(() => {
      const queue = checker.queues[index]!
      if (!queue.letters.has(offset) || storesTwice) {
        queue.onLetter(offset)
        this.world.note(`${index} ${offset}`)
      }
      this.world.carry(() => this.world.run(() => answer(place)))
    })
    this.world.after(TIMEOUT_MS, () => answer(dropsLost ? place : null))
  }

  forget (): void {}
}
