// The handlers of a broker in a cluster: those that may have to ask other brokers, in place of the ones of a broker
// that is alone.

import {
  ERROR, type CommittedOffset, type DeletedGroup, type DeleteRecordsPartition, type DeleteRecordsResult,
  type DescribeTopicsResponse, type GroupDescription, type ListedGroup, type OffsetAnswer, type OffsetQuery,
  type TopicDescription,
} from '@sluice/protocol'
import type { ClientRoutes } from '../forward/client-routes.js'
import type { Forwarder } from '../forward/forwarder.js'
import type { ApiHandler } from '../net/call.js'
import { mergeTroubles } from '../cluster/partition-troubles.js'
import { describeClusterHandler } from './cluster.js'
import { commitOffsetsHandler } from './commit-offsets.js'
import { deleteGroupsHandler } from './delete-groups.js'
import { deleteRecordsHandler } from './delete-records.js'
import { describeGroupsHandler } from './describe-groups.js'
import { describeTopicsHandler } from './describe-topics.js'
import { fetchOffsetsHandler } from './fetch-offsets.js'
import { byAll, byCoordinator, byLeader, commitByGroup, type Place } from './forwarding.js'
import { heartbeatGroupHandler } from './heartbeat-group.js'
import { joinGroupHandler } from './join-group.js'
import { leaveGroupHandler } from './leave-group.js'
import { listGroupsHandler } from './list-groups.js'
import { listOffsetsHandler } from './list-offsets.js'
import { queueHandlers } from './queue-forwarding.js'
import { appendRedrivenHandler, findRedrivenHandler } from './redriven.js'
import { routedFetch } from './routed-fetch.js'
import { Router } from './routed-parts.js'
import { routedProduce } from './routed-produce.js'
import { routedPeek, routedReceive } from './routed-receive.js'
import { routedCloseSession, routedHeartbeat, routedOpenSession } from './routed-sessions.js'
import type { BrokerServices } from './services.js'
import { storeDeadLetterHandler } from './store-dead-letter.js'

/** To be served after those of `apiHandlers`, which they take the place of. */
export function clusterHandlers (
  services: BrokerServices, forwarder: Forwarder, routes: ClientRoutes,
): ApiHandler<never, never>[] {
  const router = new Router(services, routes)
  const { table } = services.groups
  const fetchOffsetsOf = byLeader<'fetchOffsets', Place, CommittedOffset>(forwarder, fetchOffsetsHandler(services), {
    itemsOf: request => request.partitions!,
    withItems: (request, partitions) => ({ ...request, partitions: [...partitions] }),
    resultsOf: response => response.offsets,
    responseOf: (offsets: CommittedOffset[]) => ({ offsets }),
    failed: ({ topicId, partition }, error, message) => ({
      topic: '', topicId, partition, error, message, offset: -1, leaderEpoch: -1, metadata: null, committedAt: -1,
    }),
  })
  return [
    byLeader<'listOffsets', OffsetQuery, OffsetAnswer>(forwarder, listOffsetsHandler(services), {
      itemsOf: request => request.partitions,
      withItems: (request, partitions) => ({ ...request, partitions: [...partitions] }),
      resultsOf: response => response.partitions,
      responseOf: (partitions: OffsetAnswer[]) => ({ partitions }),
      failed: ({ topicId, partition }, error, message) =>
        ({ topicId, partition, error, message, offset: -1, timestamp: -1, leaderEpoch: -1 }),
    }),
    byLeader<'deleteRecords', DeleteRecordsPartition, DeleteRecordsResult>(forwarder, deleteRecordsHandler(services), {
      itemsOf: request => request.partitions,
      withItems: (request, partitions) => ({ ...request, partitions: [...partitions] }),
      resultsOf: response => response.partitions,
      responseOf: partitions => ({ partitions }),
      failed: ({ topicId, partition }, error, message) => ({ topicId, partition, error, message, logStartOffset: -1 }),
    }),
    byAll<'fetchOffsets'>(forwarder, fetchOffsetsHandler(services), request => request.partitions === null,
      answers => ({ offsets: oneOfEach([...answers.values()].flatMap(({ offsets }) => offsets)) }), fetchOffsetsOf),
    commitByGroup(forwarder, commitOffsetsHandler(services, false),
      ({ group, memberId, generation }, { topicId, partition }) =>
        table.commitRefusal(group, memberId, generation, topicId, partition)),
    byCoordinator<'joinGroup'>(forwarder, joinGroupHandler(services)),
    byCoordinator<'heartbeatGroup'>(forwarder, heartbeatGroupHandler(services)),
    byCoordinator<'leaveGroup'>(forwarder, leaveGroupHandler(services)),
    byAll<'listGroups'>(forwarder, listGroupsHandler(services), always, answers =>
      ({ groups: mostMembers([...answers.values()].flatMap(({ groups }) => groups)) })),
    byAll<'describeGroups'>(forwarder, describeGroupsHandler(services), always, answers =>
      ({ groups: columns([...answers.values()].map(({ groups }) => groups)).map(bestDescription) })),
    byAll<'deleteGroups'>(forwarder, deleteGroupsHandler(services), always, answers =>
      ({ groups: columns([...answers.values()].map(({ groups }) => groups)).map(worstDeletion) })),
    byAll<'describeTopics'>(forwarder, describeTopicsHandler(services), always, answers =>
      ({ topics: topicsByLeader(answers, forwarder.brokerId) })),
    byAll<'describeCluster'>(forwarder, describeClusterHandler(services), always, answers => {
      const own = answers.get(forwarder.brokerId) ?? [...answers.values()][0]!
      return { ...own, troubles: mergeTroubles([...answers.values()].flatMap(({ troubles }) => troubles)) }
    }, undefined, STATUS_MS),
    ...queueHandlers(services, forwarder),
    storeDeadLetterHandler(services),
    findRedrivenHandler(services),
    appendRedrivenHandler(services),
    routedProduce(router),
    routedFetch(router),
    routedReceive(router),
    routedPeek(router),
    routedOpenSession(router),
    routedHeartbeat(router),
    routedCloseSession(router),
  ] as ApiHandler<never, never>[]
}

/** Who asks how the cluster is wants to know soon, and most of all where a broker stands still. */
const STATUS_MS = 1_000

const always = (): boolean => true

/** What each broker says of the first item, of the second, and so on. */
function columns<Item> (rows: readonly (readonly Item[])[]): Item[][] {
  return rows[0]!.map((_, index) => rows.flatMap(row => row[index] ?? []))
}

/** Partitions as their leaders describe them. */
function topicsByLeader (
  answers: ReadonlyMap<number, DescribeTopicsResponse>, self: number,
): TopicDescription[] {
  const topics = new Map<number, Map<string, TopicDescription>>()
  for (const [broker, answer] of answers) topics.set(broker, new Map(answer.topics.map(topic => [topic.name, topic])))
  return (answers.get(self) ?? [...answers.values()][0]!).topics.map(topic => ({
    ...topic,
    partitions: topic.partitions.map(known => {
      const described = topics.get(known.leader)?.get(topic.name)?.partitions[known.partition]
      return described === undefined || described.nextOffset < 0 ? known : { ...described, leader: known.leader }
    }),
  }))
}

/** Each partition once, by topic and number: who leads it knows, and who led it can only say that it does not. */
function oneOfEach (offsets: readonly CommittedOffset[]): CommittedOffset[] {
  const best = new Map<string, CommittedOffset>()
  for (const offset of offsets) {
    const name = `${offset.topicId}/${offset.partition}`
    if (best.get(name)?.error !== 0) best.set(name, offset)
  }
  return [...best.values()].sort(byPlace)
}

function byPlace (a: CommittedOffset, b: CommittedOffset): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
}

/** Each group once: as its coordinator has it, where it has members. */
function mostMembers (listed: readonly ListedGroup[]): ListedGroup[] {
  const groups = new Map<string, ListedGroup>()
  for (const group of listed) {
    if (group.members >= (groups.get(group.group)?.members ?? 0)) groups.set(group.group, group)
  }
  return [...groups.values()].sort((a, b) => a.group < b.group ? -1 : 1)
}

function bestDescription (descriptions: readonly GroupDescription[]): GroupDescription {
  const known = descriptions.filter(({ error }) => error === 0)
  const best = known.find(({ members }) => members.length > 0)
  return best ?? known.sort((a, b) => b.generation - a.generation)[0] ?? descriptions[0]!
}

/** Brokers that hold nothing of a group do not know it; what another one says counts. */
function worstDeletion (deletions: readonly DeletedGroup[]): DeletedGroup {
  const known = deletions.filter(({ error }) => error !== ERROR.UNKNOWN_GROUP)
  return known.find(({ error }) => error !== 0) ?? known[0] ?? deletions[0]!
}
