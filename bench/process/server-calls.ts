// What a server process answers: the windows of its probe.

import { ProcessProbe } from '../measure/process-probe.js'
import { answerCalls, type ServerCalls } from './calls.js'

export function answerServerCalls (): void {
  const probe = new ProcessProbe()
  answerCalls<ServerCalls>({
    begin () {
      probe.begin()
      return null
    },
    end: () => probe.end(),
  })
}
