// A folder that is gone when the test is.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ScratchFolder extends AsyncDisposable { readonly path: string }

/** Makes a folder below the system's folder for temporary files. */
export async function scratchFolder (): Promise<ScratchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
