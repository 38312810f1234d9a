// startRedrive: begins a job that moves dead letters back.

import { ERROR, FRAME_FLAG, LANE_MAX, type StartRedriveRequest, type StartRedriveResponse } from '@sluice/protocol'
import type { OtherBrokers } from '../control/other-brokers.js'
import type { TopicRecord } from '../control/topic-record.js'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { RedriveRange, RedriveSpec } from '../queue/redrive-types.js'
import { reasonNamed } from '../queue-host/reason-names.js'
import { failWith } from './fail-with.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'
import { whenLeading } from './when-leading.js'

interface Fault { readonly error: number, readonly message: string }

export function startRedriveHandler (services: BrokerServices): ApiHandler<StartRedriveRequest, StartRedriveResponse> {
  return {
    api: 'startRedrive',
    handle (request, call) {
      const fault = filterFault(request) ?? topicsFault(services, request)
      if (fault !== null) return call.fail(fault.error, fault.message)
      start(services, request, call).then(started => {
        if (typeof started === 'string') call.respond({ redriveId: started })
        else call.fail(started.error, started.message)
      }, (cause: Error) => failWith(call, cause))
    },
  }
}

async function start (
  services: BrokerServices, request: StartRedriveRequest, call: Call<StartRedriveResponse>,
): Promise<string | Fault> {
  const partitions = partitionsOf(services, request)
  if ('error' in partitions) return partitions
  const ranges = await rangesOf(services, request.sourceTopicId, partitions)
  if ('error' in ranges) return ranges
  return await services.redrives.start(specOf(services, request, ranges, call), request.partitions)
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

/** Each once, in the order in which they were asked for. */
function partitionsOf (
  { topics }: BrokerServices, { sourceTopicId, partitions }: StartRedriveRequest,
): number[] | Fault {
  const source = topics.byId(sourceTopicId) as TopicRecord
  if (partitions.length > source.partitions) {
    return invalid(`partitions names ${partitions.length} of them; queue ${source.name} has ${source.partitions}`)
  }
  const wrong = partitions.find(partition => partition < 0 || partition >= source.partitions)
  if (wrong !== undefined) {
    const message = `topic ${source.name} has partitions 0 to ${source.partitions - 1}, not ${wrong}; refresh the metadata`
    return { error: ERROR.UNKNOWN_PARTITION, message }
  }
  if (partitions.length > 0) return [...new Set(partitions)]
  return Array.from({ length: source.partitions }, (_, partition) => partition)
}

/** What lies in the queue now, as the leaders of its partitions say; those that are empty are left out. */
async function rangesOf (
  services: BrokerServices, sourceTopicId: string, partitions: readonly number[],
): Promise<RedriveRange[] | Fault> {
  const ranges: RedriveRange[] = []
  let left = [...partitions]
  const deadlineMs = services.clock.monotonicMs() + LIMITS.redriveStartMs
  for (;;) {
    const answers = await Promise.all(left.map(partition => rangeOf(services, sourceTopicId, partition)))
    const failed: number[] = []
    let fault: Fault | null = null
    for (const [index, answer] of answers.entries()) {
      if ('error' in answer) {
        fault = answer
        failed.push(left[index]!)
      } else if (answer.endOffset > answer.fromOffset) ranges.push(answer)
    }
    if (fault === null) return ranges.sort((a, b) => partitions.indexOf(a.partition) - partitions.indexOf(b.partition))
    if (services.others === null || services.clock.monotonicMs() > deadlineMs) return fault
    // Leaders move.
    left = failed
    await new Promise<void>(resolve => {
      services.deadlines.add(services.clock.monotonicMs() + LIMITS.redriveLookMs, resolve)
    })
  }
}

async function rangeOf (services: BrokerServices, topicId: string, partition: number): Promise<RedriveRange | Fault> {
  const { others } = services
  const leader = others?.leaderOf(topicId, partition) ?? -1
  if (others !== null && leader >= 0 && leader !== others.brokerId) {
    return await rangeElsewhere(others, leader, topicId, partition)
  }
  const found = findPartition(services, topicId, partition)
  if (found.partition === null && others !== null) {
    const name = services.topics.byId(topicId)?.name ?? topicId
    return { error: ERROR.LEADER_NOT_AVAILABLE, message: `partition ${name}/${partition} has no leader for now; retry` }
  }
  if (found.partition === null) return found
  const refusal = await new Promise<Fault | null>(resolve => {
    whenLeading(services, found.partition, LIMITS.confirmMs, resolve)
  })
  if (refusal !== null) return refusal
  const { highWatermark, log: { logStartOffset: fromOffset } } = found.partition
  return { partition, fromOffset, endOffset: Math.max(fromOffset, highWatermark) }
}

async function rangeElsewhere (
  others: OtherBrokers, leader: number, topicId: string, partition: number,
): Promise<RedriveRange | Fault> {
  const place = { topicId, partition, timestamp: -1 }
  const partitions = [{ ...place, position: 'earliest' as const }, { ...place, position: 'latest' as const }]
  try {
    const request = { timeoutMs: LIMITS.confirmMs, partitions }
    const answer = await others.request(leader, 'listOffsets', request, FRAME_FLAG.forwarded, LIMITS.confirmMs)
    const refused = answer.partitions.find(({ error }) => error !== 0)
    if (refused !== undefined) return { error: refused.error, message: refused.message }
    const [fromOffset, endOffset] = answer.partitions.map(({ offset }) => offset) as [number, number]
    return { partition, fromOffset, endOffset: Math.max(fromOffset, endOffset) }
  } catch (cause) {
    const { code = ERROR.LEADER_NOT_AVAILABLE, message } = cause as Error & { code?: number }
    return { error: code, message }
  }
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
