// What a server process answers: the windows of its probe.

import { ProcessProbe, type ProcessUsage } from '../measure/process-probe.js'
import { answerCalls, type ServerCalls } from './calls.js'

/** @param begin called at the begin of each window; what it returns is called at the end, for more to tell. */
export function answerServerCalls<More extends object> (begin: () => () => More): void {
  const probe = new ProcessProbe()
  let more = begin()
  answerCalls<ServerCalls<ProcessUsage & More>>({
    begin () {
      more = begin()
      probe.begin()
      return null
    },
    end: () => ({ ...probe.end(), ...more() }),
  })
}
