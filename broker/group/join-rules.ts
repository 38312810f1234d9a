// What a join may say.

import { groupNameFault, topicNameFault } from '@sluice/protocol'
import { ASSIGNOR_NAMES, isAssignorName } from './assignor.js'
import type { GroupLimits } from './group-limits.js'
import type { JoinEvent } from './group-types.js'

/** Ids are printed in logs and listings: no spaces, no control characters. */
const ID = /^[\x21-\x7e]+$/

/** What is wrong with a join, for people; null where it is fine. */
export function joinFault (event: JoinEvent, limits: GroupLimits): string | null {
  return groupNameFault(event.group) ??
    idFault('memberId', event.memberId, limits.memberIdLengthMax) ??
    (event.instanceId === '' ? 'instanceId is empty; leave it out for a dynamic member' : null) ??
    idFault('instanceId', event.instanceId ?? '', limits.instanceIdLengthMax) ??
    topicsFault(event.topics, limits) ??
    (event.assignor === '' || isAssignorName(event.assignor)
      ? null
      : `assignor ${quote(event.assignor)} is not known; use ${ASSIGNOR_NAMES.join(', ')}, or leave it empty`) ??
    rangeFault('sessionTimeoutMs', event.sessionTimeoutMs, limits.sessionTimeoutMsMin, limits.sessionTimeoutMsMax) ??
    rangeFault('rebalanceTimeoutMs', event.rebalanceTimeoutMs, limits.rebalanceTimeoutMsMin, limits.rebalanceTimeoutMsMax) ??
    (event.generation >= -1
      ? null
      : `generation is ${event.generation}; it must be that of the last answer, or -1 for a new member`)
}

function topicsFault (topics: readonly string[], limits: GroupLimits): string | null {
  if (topics.length === 0) return 'topics is empty; name at least one topic to read'
  if (topics.length > limits.topicsPerMemberMax) {
    return `topics names ${topics.length} topics; a member reads at most ${limits.topicsPerMemberMax}`
  }
  for (const topic of topics) {
    const fault = topicNameFault(topic)
    if (fault !== null) return fault
  }
  return null
}

function idFault (field: string, id: string, lengthMax: number): string | null {
  if (id === '' || (id.length <= lengthMax && ID.test(id))) return null
  return `${field} ${quote(id)} is not allowed: use 1 to ${lengthMax} printable ASCII characters without spaces`
}

function rangeFault (field: string, value: number, min: number, max: number): string | null {
  return value >= min && value <= max ? null : `${field} is ${value} ms; it must be ${min} to ${max} ms`
}

function quote (text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
