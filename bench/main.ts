// `npm run bench -- WORKLOAD …`: the same as `sluice bench`.

import { runBench } from './command.js'

process.exitCode = await runBench(process.argv.slice(2))
