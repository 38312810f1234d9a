// Runs what promises have queued, at once. The log and the control store answer some calls with promises; a simulator
// that waited for the event loop after each of its events would be a hundred times slower, and would hand the order of
// things to somebody else.
//
// The engine offers this to its own tests only, so the flag is put on for a moment and off again. It does nothing while
// microtasks run already: a simulation is started from a task of its own (`inTask`).

import { runInThisContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--allow-natives-syntax')

/** Runs all microtasks, and those that they queue. */
export const runMicrotasks = runInThisContext('(function runMicrotasks () { %PerformMicrotaskCheckpoint() })') as () => void

setFlagsFromString('--no-allow-natives-syntax')

/** Runs a function in a task of its own, where `runMicrotasks` works. */
export function inTask<Result> (run: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      let result: Result
      try {
        result = run()
      } catch (error) {
        return reject(error instanceof Error ? error : new Error(String(error)))
      }
      resolve(result)
    })
  })
}
