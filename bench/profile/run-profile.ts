// Loads a broker under clinic, and says where the report is.

import { setTimeout as delay } from 'node:timers/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DriverCalls } from '../process/calls.js'
import { Child } from '../process/child.js'
import { withScratchFolder } from '../process/scratch-folder.js'
import type { Workload } from '../workload.js'
import { fetchClinic, ProfiledBroker, type ClinicTool } from './clinic.js'

/** What to profile. */
export interface ProfileOptions {
  readonly tool: ClinicTool
  readonly workload: Workload
  /** How long it is loaded, in milliseconds. */
  readonly durationMs: number
  /** Folder for the data of the broker. */
  readonly folder: string
  /** Folder for reports. */
  readonly reports: string
  readonly brokerOptions: Readonly<Record<string, string>>
  /** The npm to be used. */
  readonly npm?: string
  /** Told of what is going on. */
  readonly onProgress: (text: string) => void
}

/** Resolves with the path of the report and the records done. @throws BenchError where clinic or the broker fails. */
export async function runProfile (options: ProfileOptions): Promise<{ report: string, records: number }> {
  const { tool, workload, durationMs, brokerOptions, npm, onProgress } = options
  onProgress('fetching clinic, if it is not there yet')
  await fetchClinic(npm)
  return withScratchFolder(options.folder, async folder => {
    const flags = { 'log-level': 'warn', ...brokerOptions, data: join(folder, 'data'), listen: '127.0.0.1:0' }
    const program = fileURLToPath(new URL('profiled-broker-main.js', import.meta.url))
    onProgress(`starting a broker under clinic ${tool}`)
    const command = ['node', program, JSON.stringify(flags)]
    const broker = await ProfiledBroker.start({ tool, folder: resolve(options.reports), command, npm })
    const driver = new Child<DriverCalls>('driver-main.js', [])
    try {
      await driver.call('prepare', { target: { kind: 'sluice', address: broker.address }, workload })
      onProgress(`${workload.name} for ${durationMs / 1000} s`)
      await driver.call('start', null)
      await delay(durationMs)
      const { doneRecords } = await driver.call('stop', null)
      onProgress('writing the report')
      return { report: await broker.finish(), records: doneRecords }
    } finally {
      await driver.stop()
      broker.abandon()
    }
  })
}
