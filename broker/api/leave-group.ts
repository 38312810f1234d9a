// leaveGroup: ends a membership, so that the others need not wait for its session to run out.

import type { LeaveGroupRequest, LeaveGroupResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function leaveGroupHandler (
  { groups, clock }: BrokerServices,
): ApiHandler<LeaveGroupRequest, LeaveGroupResponse> {
  return {
    api: 'leaveGroup',
    handle (request, call) {
      const refusal = groups.table.onLeave(request.group, request.memberId, clock.monotonicMs())
      if (refusal === null) call.respond({})
      else call.fail(refusal.error, refusal.message)
    },
  }
}
