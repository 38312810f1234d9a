// describeGroups: members of groups and what they work on.

import {
  ERROR, type DescribeGroupsRequest, type DescribeGroupsResponse, type GroupDescription,
} from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function describeGroupsHandler (
  { groups, clock }: BrokerServices,
): ApiHandler<DescribeGroupsRequest, DescribeGroupsResponse> {
  return {
    api: 'describeGroups',
    handle (request, call) {
      const nowMs = clock.monotonicMs()
      const withOffsets = groups.groupsWithOffsets()
      call.respond({
        groups: request.groups.map(group => {
          const description = groups.table.describe(group, nowMs)
          const known = withOffsets.has(group) || (description !== undefined && description.members.length > 0)
          if (!known) return unknown(group)
          // Not in memory: it has only its offsets, and the generation in its record.
          return { ...empty(group, groups.loadRecord(group)?.generationCeiling ?? 0), ...description }
        }),
      })
    },
  }
}

function empty (group: string, generation: number): GroupDescription {
  return { group, error: 0, message: '', state: 'empty', generation, assignor: '', members: [] }
}

function unknown (group: string): GroupDescription {
  return {
    ...empty(group, 0),
    error: ERROR.UNKNOWN_GROUP,
    message: `there is no group ${JSON.stringify(group.slice(0, 100))}; see sluice group list`,
  }
}
