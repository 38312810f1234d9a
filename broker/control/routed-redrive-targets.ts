// Targets of redrives: at this broker where it leads them, else at whoever does.

import { FRAME_FLAG, partitionForKey } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { OtherBrokers } from './other-brokers.js'
import type { RedriveIntake } from './redrive-intake.js'
import type { StoredLetter } from './redrive-letters.js'
import type { RedriveMark, RedrivePlace, RedriveRun, RedriveStand, RedriveTargets } from './redrive-targets.js'
import type { TopicRecord } from './topic-record.js'
import type { Topics } from './topics.js'

const NOTHING: RedriveStand = { leaderEpoch: -1, endOffset: 0, sequences: [] }

export class RoutedRedriveTargets implements RedriveTargets {
  private readonly topics: Topics
  private readonly intake: RedriveIntake
  private readonly others: OtherBrokers | null

  /** @param others null where this broker is alone. */
  constructor (topics: Topics, intake: RedriveIntake, others: OtherBrokers | null) {
    this.topics = topics
    this.intake = intake
    this.others = others
  }

  async placeOf (
    targetTopicId: string, { key, offset, note }: StoredLetter,
  ): Promise<RedrivePlace | { readonly fault: string }> {
    const topicId = targetTopicId === '' ? note.topicId : targetTopicId
    const count = (await this.topic(topicId))?.partitions ?? 0
    if (count === 0) {
      return targetTopicId === '' ? this.originFault(offset, note.topic) : { fault: 'the target topic was deleted' }
    }
    // What goes back goes to its own place; what goes elsewhere to where a client would send it.
    const isBack = topicId === note.topicId && note.partition >= 0 && note.partition < count
    if (isBack) return { topicId, partition: note.partition }
    return { topicId, partition: key === null ? Math.abs(note.partition) % count : partitionForKey(key, count) }
  }

  async find (run: RedriveRun, place: RedrivePlace, fromOffset: number): Promise<RedriveStand> {
    const { topicId, partition } = place
    if (await this.topic(topicId) === undefined) return NOTHING
    const leader = this.leaderOf(place)
    const ask = { redriveId: run.redriveId, term: run.term, ask: run.nextAsk(), topicId, partition }
    if (leader === null) return await this.intake.find(ask, fromOffset)
    return await this.others!.request(
      leader, 'findRedriven', { ...ask, fromOffset }, FRAME_FLAG.forwarded, LIMITS.storeElsewhereMs)
  }

  async append (run: RedriveRun, place: RedrivePlace, leaderEpoch: number, batch: Buffer): Promise<void> {
    const { topicId, partition } = place
    const leader = this.leaderOf(place)
    const ask = { redriveId: run.redriveId, term: run.term, ask: run.nextAsk(), topicId, partition }
    if (leader === null) await this.intake.append(ask, leaderEpoch, batch)
    else {
      const { forwarded } = FRAME_FLAG
      const message = { ...ask, leaderEpoch }
      await this.others!.request(leader, 'appendRedriven', message, forwarded, LIMITS.storeElsewhereMs, batch)
    }
  }

  hold (redriveId: string, marks: readonly RedriveMark[]): void { this.intake.hold(redriveId, marks) }

  letGo (redriveId: string, marks: readonly RedriveMark[]): void { this.intake.letGo(redriveId, marks) }

  /** Id of the broker that leads a place; null for this one. */
  private leaderOf ({ topicId, partition }: RedrivePlace): number | null {
    const leader = this.others?.leaderOf(topicId, partition) ?? null
    if (leader === null || leader === this.others!.brokerId) return null
    if (leader < 0) {
      throw new Error(`partition ${this.topics.byId(topicId)?.name ?? topicId}/${partition} has no leader for now`)
    }
    return leader
  }

  /** Before a topic counts as gone it is asked for anew: it may have been created a moment ago, by another broker. */
  private async topic (topicId: string): Promise<TopicRecord | undefined> {
    const known = this.topics.byId(topicId)
    if (known !== undefined) return known
    await this.topics.refresh()
    return this.topics.byId(topicId)
  }

  private originFault (offset: number, name: string): { readonly fault: string } {
    const what = this.topics.byName(name) === undefined ? 'was deleted' : 'was deleted and created anew'
    return { fault: `dead letter ${offset} came from topic ${name}, which ${what}; name a target to move it there` }
  }
}
