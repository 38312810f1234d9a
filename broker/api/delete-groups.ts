// deleteGroups: forgets groups without members: their offsets first, then their generation.

import { ERROR, type DeletedGroup, type DeleteGroupsRequest, type DeleteGroupsResponse } from '@sluice/protocol'
import PQueue from 'p-queue'
import type { ApiHandler } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import type { BrokerServices } from './services.js'

/** Partitions that offsets are removed from at once, over all requests. */
const REMOVALS_AT_ONCE = 64

export function deleteGroupsHandler (services: BrokerServices): ApiHandler<DeleteGroupsRequest, DeleteGroupsResponse> {
  const removals = new PQueue({ concurrency: REMOVALS_AT_ONCE })
  return {
    api: 'deleteGroups',
    handle (request, call) {
      Promise.all(request.groups.map(group => deleteGroup(services, removals, group))).then(
        groups => call.respond({ groups }),
        (cause: Error) => call.fail(ERROR.INTERNAL, `groups could not be deleted: ${cause.message}`))
    },
  }
}

async function deleteGroup (services: BrokerServices, removals: PQueue, group: string): Promise<DeletedGroup> {
  const { table } = services.groups
  const holders = [...services.partitions.all()].filter(partition => partition.committedOffset(group) !== undefined)
  const members = table.memberCount(group)
  if (members === 0 && holders.length === 0) {
    const message = `there is no group ${JSON.stringify(group.slice(0, 100))}; see sluice group list`
    return { group, error: ERROR.UNKNOWN_GROUP, message }
  }
  if (members === 0) {
    const failures = (await Promise.all(holders.map(holder => removals.add(() => removeOffset(holder, group)))))
      .filter(failure => failure.error !== 0)
    // What is left of it can be deleted once more.
    if (failures.length > 0) return { group, ...failures[0]! }
  }
  // Somebody may have joined meanwhile: then the group goes on, from the start.
  const refusal = table.delete(group)
  return { group, error: refusal?.error ?? 0, message: refusal?.message ?? '' }
}

function removeOffset (partition: Partition, group: string): Promise<{ error: number, message: string }> {
  return new Promise(resolve => {
    partition.commitOffset(group, null, (error, message) => resolve({ error, message }))
  })
}
