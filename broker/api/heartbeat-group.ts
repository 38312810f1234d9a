// heartbeatGroup: the member lives; the answer, its assignment, waits for a change as long as the member allows.

import type { HeartbeatGroupRequest, HeartbeatGroupResponse } from '@sluice/protocol'
import type { MemberReply, MemberView } from '../group/group-types.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function heartbeatGroupHandler (
  { groups, clock }: BrokerServices,
): ApiHandler<HeartbeatGroupRequest, HeartbeatGroupResponse> {
  return {
    api: 'heartbeatGroup',
    handle (request, call) {
      groups.table.onHeartbeat(request, new HeartbeatReply(call), clock.monotonicMs())
    },
  }
}

class HeartbeatReply implements MemberReply {
  private readonly call: Call<HeartbeatGroupResponse>

  constructor (call: Call<HeartbeatGroupResponse>) {
    this.call = call
  }

  assigned ({ generation, heartbeatIntervalMs, assigned }: MemberView): void {
    this.call.respond({ generation, heartbeatIntervalMs, assigned })
  }

  refused (error: number, message: string): void {
    this.call.fail(error, message)
  }
}
