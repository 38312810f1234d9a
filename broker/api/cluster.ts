// describeCluster, changePlacement, moveReplicas and forceRecover. A broker that is alone describes itself and refuses
// the others.

import {
  ERROR, type ChangePlacementRequest, type ChangePlacementResponse, type DescribeClusterRequest,
  type DescribeClusterResponse, type ForceRecoverRequest, type ForceRecoverResponse, type MoveReplicasRequest,
  type MoveReplicasResponse,
} from '@sluice/protocol'
import type { ApiHandler, Call } from '../net/call.js'
import type { BrokerServices } from './services.js'

const ALONE = 'this broker is alone: there is no cluster to change; start brokers with --control to make one'
const NO_CHANGE = { moves: [], copies: 0, copiesLeast: 0, leaderChanges: 0 }
const NO_MOVE = { from: [], to: [] }
const NO_RECOVERY = { epoch: -1, leader: -1, givenUp: [] }

export function describeClusterHandler (
  services: BrokerServices,
): ApiHandler<DescribeClusterRequest, DescribeClusterResponse> {
  return {
    api: 'describeCluster',
    handle (_request, call) {
      const { administration, replicas } = services
      call.respond(administration?.describe(replicas?.troubles()) ?? describeAlone(services))
    },
  }
}

export function changePlacementHandler (
  services: BrokerServices,
): ApiHandler<ChangePlacementRequest, ChangePlacementResponse> {
  return {
    api: 'changePlacement',
    handle ({ action, brokerId, dryRun }, call) {
      const { administration } = services
      if (administration === null) return call.respond({ error: ERROR.INVALID_REQUEST, message: ALONE, ...NO_CHANGE })
      answer(call, administration.change(action, brokerId, dryRun), result =>
        'error' in result ? { ...result, ...NO_CHANGE } : { error: 0, message: '', ...result })
    },
  }
}

export function moveReplicasHandler (
  services: BrokerServices,
): ApiHandler<MoveReplicasRequest, MoveReplicasResponse> {
  return {
    api: 'moveReplicas',
    handle ({ topic, partition, replicas, dryRun }, call) {
      const { administration } = services
      if (administration === null) return call.respond({ error: ERROR.INVALID_REQUEST, message: ALONE, ...NO_MOVE })
      answer(call, administration.move(topic, partition, replicas, dryRun), result =>
        'error' in result
          ? { ...result, ...NO_MOVE }
          : { error: 0, message: '', from: [...result.from], to: [...result.to] })
    },
  }
}

export function forceRecoverHandler (
  services: BrokerServices,
): ApiHandler<ForceRecoverRequest, ForceRecoverResponse> {
  return {
    api: 'forceRecover',
    handle ({ topic, partition, survivors, dryRun }, call) {
      const { administration } = services
      if (administration === null) return call.respond({ error: ERROR.INVALID_REQUEST, message: ALONE, ...NO_RECOVERY })
      answer(call, administration.forceRecover(topic, partition, survivors, dryRun), result =>
        'error' in result ? { ...result, ...NO_RECOVERY } : { error: 0, message: '', ...result })
    },
  }
}

function answer<Result, Response> (
  call: Call<Response>, result: Promise<Result>, responseOf: (result: Result) => Response,
): void {
  result.then(value => call.respond(responseOf(value)), (cause: Error) => call.fail(ERROR.INTERNAL, cause.message))
}

function describeAlone (services: BrokerServices): DescribeClusterResponse {
  const { view, topics, partitions, version, clusterId } = services
  const replicas = partitions.size
  return {
    clusterId,
    controllerId: view.controllerId,
    brokers: view.brokers().map(broker => ({
      ...broker,
      capacity: 100,
      version,
      startedAt: -1,
      state: 'online',
      draining: false,
      replicas,
      leaders: replicas,
      learners: 0,
      ringSharePermille: 1000,
    })),
    topics: topics.all().length,
    partitions: replicas,
    leaderless: 0,
    underReplicated: 0,
    moves: [],
    troubles: [],
    losses: [],
  }
}
