// Names are checked before anything is asked of a broker, so that a mistake is one of usage.

import { groupNameFault, topicNameFault } from '@sluice/protocol'
import { CliError } from './cli-error.js'
import { EXIT } from './exit-code.js'

/** @throws CliError with exit code 2 */
export function checkTopicName (name: string): void {
  const fault = topicNameFault(name)
  if (fault !== null) throw new CliError(EXIT.usage, fault)
}

/** @throws CliError with exit code 2 */
export function checkGroupName (name: string): void {
  const fault = groupNameFault(name)
  if (fault !== null) throw new CliError(EXIT.usage, fault)
}
