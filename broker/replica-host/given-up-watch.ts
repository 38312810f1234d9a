// Partitions that the control store has this process lead, and that it leads no more: its disk has failed, say. Nobody
// else can know, since the process is there; so it hands them over itself.

/** A record that was just read is acted on at once; so much later nothing comes of it, in milliseconds. */
const GIVEN_UP_MS = 1_000

export class GivenUpWatch {
  private readonly sinceMs = new Map<string, number>()

  /**
   * To be asked now and then.
   *
   * @param names of what is given up now; see `ReplicaTable.givenUp`.
   * @returns those that have been for so long that they are to be handed over.
   */
  due (names: Iterable<string>, nowMs: number): Set<string> {
    const given = new Set(names)
    const due = new Set<string>()
    for (const name of this.sinceMs.keys()) if (!given.has(name)) this.sinceMs.delete(name)
    for (const name of given) {
      const sinceMs = this.sinceMs.get(name)
      if (sinceMs === undefined) this.sinceMs.set(name, nowMs)
      else if (nowMs - sinceMs >= GIVEN_UP_MS) due.add(name)
    }
    return due
  }
}
