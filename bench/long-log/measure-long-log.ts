// What a long log costs beside a short one: reading it anywhere, asking how far behind a group is, starting again.
//
// Nothing drops the page cache: a log larger than memory is read from disk.

import { withScratchFolder } from '../process/scratch-folder.js'
import type { LongLogPlan, LongLogResult } from './long-log-result.js'
import { LongLogTrial, type LongLogSettings } from './long-log-trial.js'

/** Measures. @throws BenchError where something is missing that was written. */
export async function measureLongLog (plan: LongLogPlan, settings: LongLogSettings): Promise<LongLogResult> {
  return await withScratchFolder(settings.folder, async folder => {
    const trial = new LongLogTrial(plan, folder, settings)
    try {
      return await trial.run()
    } finally {
      await trial.end()
    }
  })
}
