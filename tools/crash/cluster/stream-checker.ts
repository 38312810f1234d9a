// The rules that a history of streams has to keep, held against what is stored in the end.
//
//   lost            what was acknowledged is at its offset, on topics that are durable
//   inconsistent    whatever was read at an offset, by anybody and from any replica, is there; it is what was sent
//   duplicate       a record is stored once
//   reordered       records of a producer keep their order; acknowledged offsets rise
//   refused         what was certainly not stored, says the error, is nowhere
//   error           the application is told of no outage that is shorter than its deadline
//   poll skip       a reader goes on where it was, within an answer and from one to the next; so does a group
//   poll back       … and never goes back
//   commit back     a committed offset never goes back, whoever asks, and members begin there
//   end back        nor does the end of a partition
//   unseen          in the end a group has read everything

import type { Told } from '../queue/journal.js'
import { Lanes } from './lanes.js'
import { Polls } from './polls.js'
import { RisingOffsets } from './rising-offsets.js'
import type { StoredLog } from './stored-partition.js'
import type { StreamStep } from './stream-journal.js'

export interface TopicRules {
  /** What was acknowledged may not be lost. */
  readonly isDurable: boolean
  /** Groups that have read all of it in the end. */
  readonly groups: readonly string[]
}

/** Where the rules say what they find. */
export type Report = (violation: string) => void

export interface StreamFigures {
  sent: number
  acknowledged: number
  refused: number
  unknown: number
  polled: number
  commits: number
}

export type StreamEntry = Told<StreamStep>

/**
 * Holds a history, in the order of time, against its rules.
 *
 * @param stored what there is in the end, by `topic/partition`.
 */
export function checkStreams (
  entries: readonly StreamEntry[], topics: ReadonlyMap<string, TopicRules>, stored: ReadonlyMap<string, StoredLog>,
  report: Report,
): StreamFigures {
  const checker = new StreamChecker(topics, stored, report)
  for (const entry of entries) checker.onEntry(entry)
  return checker.end()
}

class StreamChecker {
  private readonly topics: ReadonlyMap<string, TopicRules>
  private readonly report: Report
  private readonly lanes: Lanes
  private readonly polls: Polls
  private readonly commits: RisingOffsets
  private readonly ends: RisingOffsets
  private readonly figures: StreamFigures = { sent: 0, acknowledged: 0, refused: 0, unknown: 0, polled: 0, commits: 0 }

  constructor (topics: ReadonlyMap<string, TopicRules>, stored: ReadonlyMap<string, StoredLog>, report: Report) {
    this.topics = topics
    this.report = report
    this.commits = new RisingOffsets('commit back: the committed offset', report)
    this.ends = new RisingOffsets('end back: the end', report)
    this.lanes = new Lanes(stored, report)
    this.polls = new Polls(stored, this.commits, report)
  }

  onEntry (entry: StreamEntry): void {
    const { figures, lanes, polls } = this
    switch (entry.step) {
      case 'sending':
        figures.sent += countOf(entry.lanes)
        return lanes.onSending(entry.topic, entry.producer, entry.lanes)
      case 'sent': {
        const { topic, producer, runs, atUs } = entry
        for (const [, , , count] of runs) figures.acknowledged += count
        if (!this.isDurable(topic)) return
        lanes.onSent(topic, producer, runs)
        for (const [partition, offset, , count] of runs) {
          if (offset >= 0) this.ends.onKnown(`${topic}/${partition}`, offset + count, atUs)
        }
        return
      }
      case 'notSent': {
        const { topic, producer, lanes: failed, maybe, isExpected, error, by } = entry
        figures[maybe ? 'unknown' : 'refused'] += countOf(failed)
        if (!isExpected) this.report(`error: ${by} was told for a record of producer ${producer} to ${topic}: ${error}`)
        if (!maybe) lanes.onRefused(topic, producer, failed)
        return
      }
      case 'began': return polls.onBegan(entry)
      case 'polled':
        for (const [, , , count] of entry.runs) figures.polled += count
        return polls.onPolled(entry)
      case 'committed':
        figures.commits++
        return this.commits.onKnown(placeOf(entry), entry.offset, entry.atUs)
      case 'committedSeen': return this.commits.onSeen(placeOf(entry), entry.offset, entry.askedUs, entry.atUs)
      case 'endSeen': return this.ends.onSeen(`${entry.topic}/${entry.partition}`, entry.end, entry.askedUs, entry.atUs)
      case 'stopped': return this.ends.checkBelow(label => this.lanes.endOf(label))
      case 'wrong': return this.report(`wrong: ${entry.by}: ${entry.text}`)
    }
  }

  end (): StreamFigures {
    this.lanes.checkStored()
    for (const [topic, { groups }] of this.topics) for (const group of groups) this.polls.checkSeen(group, topic)
    return this.figures
  }

  private isDurable (topic: string): boolean { return this.topics.get(topic)!.isDurable }
}

function countOf (lanes: readonly (readonly [number, number, number])[]): number {
  return lanes.reduce((sum, [, , count]) => sum + count, 0)
}

function placeOf ({ group, topic, partition }: { group: string, topic: string, partition: number }): string {
  return `${group} on ${topic}/${partition}`
}
