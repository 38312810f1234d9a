// cancelRedrive: stops a job, whoever runs it; answered when it stands still, with what it has moved until then.

import { ERROR, type CancelRedriveRequest, type CancelRedriveResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import { redriveStateName } from './describe-redrives.js'
import type { BrokerServices } from './services.js'

export function cancelRedriveHandler (
  { redrives }: BrokerServices,
): ApiHandler<CancelRedriveRequest, CancelRedriveResponse> {
  return {
    api: 'cancelRedrive',
    handle ({ redriveId }, call) {
      redrives.cancel(redriveId).then(outcome => {
        if ('error' in outcome) return call.fail(outcome.error, outcome.message)
        const { state, moved } = outcome.status
        call.respond({ state: redriveStateName(state), moved })
      }, (cause: Error) => call.fail(ERROR.STORAGE_UNAVAILABLE, cause.message))
    },
  }
}
