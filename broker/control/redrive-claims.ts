// Which redrive has which dead letter on its way: two jobs over one queue must not move the same letter.
//
// In memory only: a job that goes on after a restart takes the letters of its stored chunk before any other begins.

export class RedriveClaims {
  private readonly owners = new Map<string, string>()

  /** Takes letters for a job. @returns those that are its own now. */
  take (redriveId: string, place: string, offsets: readonly number[]): number[] {
    return offsets.filter(offset => {
      const name = `${place}/${offset}`
      const owner = this.owners.get(name) ?? redriveId
      if (owner === redriveId) this.owners.set(name, redriveId)
      return owner === redriveId
    })
  }

  release (redriveId: string, place: string, offsets: Iterable<number>): void {
    for (const offset of offsets) {
      const name = `${place}/${offset}`
      if (this.owners.get(name) === redriveId) this.owners.delete(name)
    }
  }

  /** A job has ended. */
  releaseAll (redriveId: string): void {
    for (const [name, owner] of this.owners) if (owner === redriveId) this.owners.delete(name)
  }
}
