// listGroups: the groups with members and those with a committed offset, by name.

import type { ListedGroup, ListGroupsRequest, ListGroupsResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function listGroupsHandler ({ groups }: BrokerServices): ApiHandler<ListGroupsRequest, ListGroupsResponse> {
  return {
    api: 'listGroups',
    handle (_request, call) {
      const listed = new Map<string, ListedGroup>()
      for (const group of groups.groupsWithOffsets()) listed.set(group, { group, state: 'empty', members: 0 })
      for (const group of groups.table.list()) if (group.members > 0) listed.set(group.group, group)
      call.respond({ groups: [...listed.values()].sort((a, b) => a.group < b.group ? -1 : 1) })
    },
  }
}
