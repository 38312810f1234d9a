// The broker that clinic watches: the one that `sluice broker` runs. It ends with SIGINT.
//
//   argument 1   the broker's options as JSON

import { runBrokerProcess } from '@sluice/broker'

process.exit(await runBrokerProcess({ flags: JSON.parse(process.argv[2]!) as Record<string, string> }))
