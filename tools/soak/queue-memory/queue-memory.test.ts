// The small edition of `npm run soak -- queue-memory`: the same scenarios and bounds, with fewer records.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { formatFigure, isWithin } from '../figure-sheet.js'
import { soakQueueMemory, type ScenarioName } from './run.js'

const STORIES: Readonly<Partial<Record<ScenarioName, string>>> = {
  keyed: 'a backlog of ordered keys costs nothing but what is outstanding',
  blocked: 'a backlog behind busy keys costs disk, not memory',
  'in-flight': 'records in flight cost at most 200 bytes each, and nothing once they have ended',
  delayed: 'records for next month cost disk, not memory, and come in time over restarts',
}

for (const [scenario, story] of Object.entries(STORIES) as [ScenarioName, string][]) {
  t.test(`Queue memory: ${story} (a real broker)`, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-soak-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const figures = await soakQueueMemory({
      folder,
      scenarios: [scenario],
      records: 60_000,
      inFlight: 50_000,
      delayed: 50_000,
      checkpointMs: 200,
      say: () => {},
    })
    t.ok(figures.some(({ max }) => max !== null), 'something is held to a bound')
    for (const figure of figures) t.ok(isWithin(figure), formatFigure(figure))
  })
}
