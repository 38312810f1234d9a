import type { GroupCommit } from './group-commit.js'

/** The logs appended to in this turn of the event loop: their commits begin together at its end. */
export class CommitTurn {
  private readonly endOfTurn: (run: () => void) => void
  private dirty: GroupCommit[] = []

  constructor (endOfTurn: (run: () => void) => void) {
    this.endOfTurn = endOfTurn
  }

  /** To be called once for a log until its commit has begun. */
  add (commits: GroupCommit): void {
    if (this.dirty.push(commits) === 1) this.endOfTurn(() => this.run())
  }

  private run (): void {
    const dirty = this.dirty
    this.dirty = []
    for (const commits of dirty) commits.onTurnEnd()
  }
}
