// findRedriven, appendRedriven: another broker runs a redrive with a target that is led here.

import type {
  AppendRedrivenRequest, AppendRedrivenResponse, FindRedrivenRequest, FindRedrivenResponse,
} from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import { failWith } from './fail-with.js'
import type { BrokerServices } from './services.js'

export function findRedrivenHandler (
  { redriven }: BrokerServices,
): ApiHandler<FindRedrivenRequest, FindRedrivenResponse> {
  return {
    api: 'findRedriven',
    handle ({ fromOffset, ...ask }, call) {
      redriven.find(ask, fromOffset).then(
        ({ leaderEpoch, endOffset, sequences }) => call.respond({ leaderEpoch, endOffset, sequences: [...sequences] }),
        (cause: Error) => failWith(call, cause))
    },
  }
}

export function appendRedrivenHandler (
  { redriven }: BrokerServices,
): ApiHandler<AppendRedrivenRequest, AppendRedrivenResponse> {
  return {
    api: 'appendRedriven',
    handle ({ leaderEpoch, ...ask }, call, { bytes, bodyEnd, payloadEnd }) {
      redriven.append(ask, leaderEpoch, bytes.subarray(bodyEnd, payloadEnd)).then(
        baseOffset => call.respond({ baseOffset }), (cause: Error) => failWith(call, cause))
    },
  }
}
