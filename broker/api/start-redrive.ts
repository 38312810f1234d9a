// startRedrive: begins a job that moves dead letters back.

import { ERROR, LANE_MAX, type StartRedriveRequest, type StartRedriveResponse } from '@sluice/protocol'
import type { TopicRecord } from '../control/topic-record.js'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { RedriveRange, RedriveSpec } from '../queue/redrive-types.js'
import { reasonNamed } from '../queue-host/reason-names.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'

interface Fault { readonly error: number, readonly message: string }

export function startRedriveHandler (services: BrokerServices): ApiHandler<StartRedriveRequest, StartRedriveResponse> {
  return {
    api: 'startRedrive',
    handle (request, call) {
      const fault = clusterFault(services) ?? filterFault(request) ?? topicsFault(services, request)
      if (fault !== null) return call.fail(fault.error, fault.message)
      const ranges = rangesOf(services, request)
      if ('error' in ranges) return call.fail(ranges.error, ranges.message)
      services.redrives.start(specOf(services, request, ranges, call), request.partitions).then(started => {
        if (typeof started === 'string') call.respond({ redriveId: started })
        else call.fail(started.error, started.message)
      })
    },
  }
}

/** A redrive reads and writes partitions of several queues, which in a cluster are led by different brokers. */
function clusterFault ({ replicas }: BrokerServices): Fault | null {
  return replicas === null ? null : invalid('redrives need a broker that is alone: a cluster has none yet; receive the letters and send them again')
}

function filterFault (request: StartRedriveRequest): Fault | null {
  const { lane, limit, recordsPerSecond, fromTimestamp, toTimestamp, reasons, headerName, headerValue } = request
  if (lane < -1 || lane > LANE_MAX) return invalid(`lane is ${lane}; it must be -1 to ${LANE_MAX}`)
  if (limit < 0) return invalid(`limit is ${limit}; it must be 1 or more, or 0 for no bound`)
  if (recordsPerSecond < 0) return invalid(`recordsPerSecond is ${recordsPerSecond}; it must be 1 or more, or 0 for no bound`)
  if (fromTimestamp < -1 || toTimestamp < -1) return invalid('fromTimestamp and toTimestamp must be -1 or a time')
  if (toTimestamp >= 0 && fromTimestamp >= toTimestamp) {
    return invalid(`fromTimestamp is ${fromTimestamp}; it must be below toTimestamp, which is ${toTimestamp}`)
  }
  if (reasons.includes('none')) return invalid('reasons has none in it; every dead letter has a reason')
  if (headerName === null && headerValue !== null) return invalid('headerValue is given without headerName; give both')
  for (const text of [headerName, headerValue]) {
    if (Buffer.byteLength(text ?? '') > LIMITS.redriveFilterBytes) {
      return invalid(`headerName and headerValue have at most ${LIMITS.redriveFilterBytes} bytes each`)
    }
  }
  return null
}

function topicsFault ({ topics }: BrokerServices, { sourceTopicId, targetTopicId }: StartRedriveRequest): Fault | null {
  const source = topics.byId(sourceTopicId)
  if (source === undefined) return unknownTopic(sourceTopicId)
  if (source.kind !== 'queue') {
    return { error: ERROR.NOT_A_QUEUE, message: `topic ${source.name} is a stream; dead letters are in a queue` }
  }
  if (targetTopicId === '') return null
  if (targetTopicId === sourceTopicId) {
    return invalid(`targetTopicId is the queue ${source.name} itself; name another, or none for where each record came from`)
  }
  return topics.byId(targetTopicId) === undefined ? unknownTopic(targetTopicId) : null
}

/** What lies in the queue now. */
function rangesOf (
  services: BrokerServices, { sourceTopicId, partitions }: StartRedriveRequest,
): RedriveRange[] | Fault {
  const source = services.topics.byId(sourceTopicId) as TopicRecord
  if (partitions.length > source.partitions) {
    return invalid(`partitions names ${partitions.length} of them; queue ${source.name} has ${source.partitions}`)
  }
  const all = Array.from({ length: source.partitions }, (_, partition) => partition)
  const ranges: RedriveRange[] = []
  for (const index of new Set(partitions.length === 0 ? all : partitions)) {
    const found = findPartition(services, sourceTopicId, index)
    if (found.partition === null) return found
    const { highWatermark, log: { logStartOffset: fromOffset } } = found.partition
    ranges.push({ partition: index, fromOffset, endOffset: Math.max(fromOffset, highWatermark) })
  }
  return ranges
}

function specOf (
  { clock }: BrokerServices, request: StartRedriveRequest, ranges: RedriveRange[],
  { connection }: Call<StartRedriveResponse>,
): Omit<RedriveSpec, 'redriveId'> {
  const { sourceTopicId, targetTopicId, lane, reasons, headerName, headerValue } = request
  const { limit, recordsPerSecond, dryRun } = request
  return {
    sourceTopicId,
    targetTopicId,
    ranges,
    filter: {
      lane,
      reasons: reasons.map(name => reasonNamed(name)!),
      fromMs: request.fromTimestamp,
      toMs: request.toTimestamp,
      headerName,
      headerValue,
    },
    limit,
    recordsPerSecond,
    dryRun,
    startedBy: `${connection.clientName.slice(0, 100)} ${connection.remoteAddress}`.trim(),
    startedMs: Math.floor(clock.wallMs()),
  }
}

function unknownTopic (topicId: string): Fault {
  return { error: ERROR.UNKNOWN_TOPIC, message: `there is no topic with id ${topicId.slice(0, 40)}; refresh the metadata` }
}

function invalid (message: string): Fault { return { error: ERROR.INVALID_REQUEST, message } }
