// All request handlers of a broker: the list to look at for what it serves.

import type { ApiName } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import {
  changePlacementHandler, describeClusterHandler, forceRecoverHandler, moveReplicasHandler,
} from './cluster.js'
import { commitOffsetsHandler } from './commit-offsets.js'
import { deleteGroupsHandler } from './delete-groups.js'
import { deleteRecordsHandler } from './delete-records.js'
import { describeBrokerHandler, type ProcessFacts } from './describe-broker.js'
import { describeGroupsHandler } from './describe-groups.js'
import { describeTopicsHandler } from './describe-topics.js'
import { fetchHandler } from './fetch.js'
import { fetchOffsetsHandler } from './fetch-offsets.js'
import { heartbeatGroupHandler } from './heartbeat-group.js'
import { helloHandler } from './hello.js'
import { initProducerHandler } from './init-producer.js'
import { joinGroupHandler } from './join-group.js'
import { leaveGroupHandler } from './leave-group.js'
import { listGroupsHandler } from './list-groups.js'
import { listOffsetsHandler } from './list-offsets.js'
import { metadataHandler } from './metadata.js'
import { produceHandler } from './produce.js'
import { cancelRedriveHandler } from './cancel-redrive.js'
import { cancelRecordsHandler, rescheduleRecordsHandler } from './change-records.js'
import { controlQueueHandler } from './control-queue.js'
import { describeRedrivesHandler } from './describe-redrives.js'
import { explainRecordsHandler } from './explain-records.js'
import { peekRecordsHandler } from './peek-records.js'
import { queueStatsHandler } from './queue-stats.js'
import { receiveHandler } from './receive.js'
import type { BrokerServices } from './services.js'
import { closeSessionHandler, heartbeatSessionHandler, openSessionHandler } from './sessions.js'
import { settleHandler } from './settle.js'
import { startRedriveHandler } from './start-redrive.js'
import { alterTopicsHandler, createTopicsHandler, deleteTopicsHandler, listTopicsHandler } from './topics.js'

/** @param served the apis of the dispatcher that will hold these handlers. */
export function apiHandlers (
  services: BrokerServices, facts: ProcessFacts, served: () => readonly ApiName[],
): ApiHandler<never, never>[] {
  return [
    helloHandler(services, served),
    metadataHandler(services),
    produceHandler(services),
    fetchHandler(services),
    listOffsetsHandler(services),
    initProducerHandler(services),
    createTopicsHandler(services),
    deleteTopicsHandler(services),
    alterTopicsHandler(services),
    listTopicsHandler(services),
    describeTopicsHandler(services),
    deleteRecordsHandler(services),
    joinGroupHandler(services),
    heartbeatGroupHandler(services),
    leaveGroupHandler(services),
    commitOffsetsHandler(services),
    fetchOffsetsHandler(services),
    describeGroupsHandler(services),
    listGroupsHandler(services),
    deleteGroupsHandler(services),
    openSessionHandler(services),
    heartbeatSessionHandler(services),
    closeSessionHandler(services),
    receiveHandler(services),
    settleHandler(services),
    cancelRecordsHandler(services),
    rescheduleRecordsHandler(services),
    explainRecordsHandler(services),
    queueStatsHandler(services),
    peekRecordsHandler(services),
    controlQueueHandler(services),
    startRedriveHandler(services),
    describeRedrivesHandler(services),
    cancelRedriveHandler(services),
    describeBrokerHandler(services, facts),
    describeClusterHandler(services),
    changePlacementHandler(services),
    moveReplicasHandler(services),
    forceRecoverHandler(services),
  ] as ApiHandler<never, never>[]
}
