// `npm run profile -- TOOL`: one of the tools of Clinic.js on a broker under load.

import { Argument, Command, CommanderError, Option } from 'commander'
import { tmpdir } from 'node:os'
import { BenchError } from '../bench-error.js'
import { duration, withBrokerOptions } from '../commands/options.js'
import { PEER_WORKLOAD_NAMES, PEER_WORKLOADS, type PeerWorkloadName } from '../peers/peer-workloads.js'
import { CLINIC_TOOLS, type ClinicTool } from './clinic.js'
import { runProfile } from './run-profile.js'

interface Options {
  workload: PeerWorkloadName
  duration: number
  folder: string
  reports: string
  brokerOption: Record<string, string>
}

const say = (text: string): void => { process.stderr.write(`profile: ${text}\n`) }

const command = withBrokerOptions(new Command('profile')
  .description('Load a broker under a tool of Clinic.js and write its report. npm fetches clinic when it is first used.')
  .addHelpText('before', `Examples:
  npm run profile -- doctor
  npm run profile -- flame --workload fetch-100 --duration 20s
  npm run profile -- heapprofiler --workload queue-1024 --reports ./reports
`)
  .addArgument(new Argument('<tool>', 'what clinic looks at').choices(CLINIC_TOOLS))
  .addOption(new Option('--workload <name>', 'what is done to the broker')
    .choices(PEER_WORKLOAD_NAMES).default('produce-100'))
  .addOption(new Option('--duration <duration>', 'how long').argParser(duration).default(10_000, '10s'))
  .option('--folder <path>', 'folder for the data of the broker', tmpdir())
  .option('--reports <path>', 'folder for the report', '.clinic'))
  .exitOverride()
  .configureOutput({ outputError: text => say(text.replace(/^error: /, '').trim()) })
  .action(async (tool: ClinicTool, { workload, duration: durationMs, folder, reports, brokerOption }: Options) => {
    const settings = { durationMs, folder, reports, brokerOptions: brokerOption, onProgress: say }
    const { report, records } = await runProfile({ tool, workload: PEER_WORKLOADS[workload], ...settings })
    say(`${records.toLocaleString('en-US')} records`)
    process.stdout.write(`${report}\n`)
  })

try {
  await command.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else {
    const known = error instanceof BenchError
    say(known ? error.message : (error as Error).stack ?? String(error))
    process.exitCode = known ? error.exitCode : 1
  }
}
