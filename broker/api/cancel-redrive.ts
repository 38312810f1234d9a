// cancelRedrive: stops a job; answered when it stands still, with what it has moved until then.

import type { CancelRedriveRequest, CancelRedriveResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import { redriveStateName, unknownRedrive } from './describe-redrives.js'
import type { BrokerServices } from './services.js'

export function cancelRedriveHandler (
  { redrives }: BrokerServices,
): ApiHandler<CancelRedriveRequest, CancelRedriveResponse> {
  return {
    api: 'cancelRedrive',
    handle ({ redriveId }, call) {
      const job = redrives.find(redriveId)
      if (job === undefined) {
        const { error, message } = unknownRedrive(redriveId)
        return call.fail(error, message)
      }
      redrives.cancel(job, () => {
        const { state, moved } = job.status
        call.respond({ state: redriveStateName(state), moved })
      })
    },
  }
}
