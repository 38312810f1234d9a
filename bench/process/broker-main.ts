// The broker under test, in a process of its own: the one that `sluice broker` runs, with a probe.
//
//   argument 1   the broker's options as JSON

import { runBrokerProcess } from '@sluice/broker'
import { answerServerCalls } from './server-calls.js'

answerServerCalls()
process.exit(await runBrokerProcess({ flags: JSON.parse(process.argv[2]!) as Record<string, string> }))
