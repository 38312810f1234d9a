// createTopics, deleteTopics, alterTopics and listTopics.

import type {
  AlterTopicsRequest, AlterTopicsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
  DeleteTopicsResponse, ListTopicsRequest, ListTopicsResponse,
} from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function createTopicsHandler (
  { topics }: BrokerServices,
): ApiHandler<CreateTopicsRequest, CreateTopicsResponse> {
  return {
    api: 'createTopics',
    handle (request, call) {
      const created = request.topics.map(async topic => {
        const result = await topics.create(topic, request.validateOnly)
        return 'error' in result
          ? { name: topic.name, ...result, topicId: '', partitions: topic.partitions, replicationFactor: topic.replicationFactor }
          : {
              name: topic.name,
              error: 0,
              message: '',
              topicId: request.validateOnly ? '' : result.topicId,
              partitions: result.partitions,
              replicationFactor: result.replicationFactor,
            }
      })
      void Promise.all(created).then(results => call.respond({ topics: results }))
    },
  }
}

export function deleteTopicsHandler (
  { topics }: BrokerServices,
): ApiHandler<DeleteTopicsRequest, DeleteTopicsResponse> {
  return {
    api: 'deleteTopics',
    handle (request, call) {
      const deleted = request.names.map(async name => outcome(name, await topics.delete(name)))
      void Promise.all(deleted).then(results => call.respond({ topics: results }))
    },
  }
}

export function alterTopicsHandler ({ topics }: BrokerServices): ApiHandler<AlterTopicsRequest, AlterTopicsResponse> {
  return {
    api: 'alterTopics',
    handle (request, call) {
      const altered = request.topics.map(async change => {
        const result = await topics.alter(change, request.validateOnly)
        const moves = 'error' in result ? [] : result.moves
        return {
          ...outcome(change.name, result),
          moves: moves.map(({ partition, from, to }) => ({ partition, from: [...from], to: [...to] })),
        }
      })
      void Promise.all(altered).then(results => call.respond({ topics: results }))
    },
  }
}

export function listTopicsHandler ({ topics }: BrokerServices): ApiHandler<ListTopicsRequest, ListTopicsResponse> {
  return {
    api: 'listTopics',
    handle (_request, call) {
      call.respond({
        topics: topics.all().map(({ name, topicId, kind, partitions, replicationFactor }) =>
          ({ name, topicId, kind, partitions, replicationFactor })),
      })
    },
  }
}

function outcome (name: string, result: object): { name: string, error: number, message: string } {
  return 'error' in result ? { name, ...result as { error: number, message: string } } : { name, error: 0, message: '' }
}
