// The server of the bare loop, in a process of its own. Its first line of output holds its ports as JSON.
//
//   argument 1   its options as JSON

import { BareServer, type BareServerOptions } from '../bare-loop/bare-server.js'
import { answerServerCalls } from './server-calls.js'

answerServerCalls(() => () => ({}))
const server = await BareServer.start(JSON.parse(process.argv[2]!) as BareServerOptions)
process.on('SIGTERM', () => { server.stop().finally(() => process.exit()) })
process.stdout.write(`${JSON.stringify(server.ports)}\n`)
