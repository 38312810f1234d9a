// joinGroup: makes the caller a member, and answers with its first assignment.

import type { JoinGroupRequest, JoinGroupResponse } from '@sluice/protocol'
import type { MemberReply, MemberView } from '../group/group-types.js'
import type { ApiHandler, Call } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function joinGroupHandler ({ groups, clock }: BrokerServices): ApiHandler<JoinGroupRequest, JoinGroupResponse> {
  return {
    api: 'joinGroup',
    handle (request, call) {
      const { hello, remoteAddress } = call.connection
      groups.table.onJoin({
        group: request.group,
        memberId: request.memberId,
        instanceId: request.instanceId,
        topics: request.topics,
        assignor: request.assignor,
        sessionTimeoutMs: request.sessionTimeoutMs,
        rebalanceTimeoutMs: request.rebalanceTimeoutMs,
        generation: request.generation,
        owned: request.owned,
        clientName: hello?.clientName ?? '',
        clientAddress: remoteAddress,
      }, new JoinReply(call), clock.monotonicMs())
    },
  }
}

class JoinReply implements MemberReply {
  private readonly call: Call<JoinGroupResponse>

  constructor (call: Call<JoinGroupResponse>) {
    this.call = call
  }

  assigned (view: MemberView): void {
    this.call.respond(view)
  }

  refused (error: number, message: string): void {
    this.call.fail(error, message)
  }
}
