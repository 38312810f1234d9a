// Names of topics and groups.

/** Most characters of a topic or group name. */
export const NAME_LENGTH_MAX = 249

const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/

/** What is wrong with a topic name, for people; null where it is fine. */
export function topicNameFault (name: string): string | null {
  if (typeof name === 'string' && TOPIC_NAME.test(name) && name !== '.' && name !== '..') return null
  return `topic name ${quote(name)} is not allowed: use 1 to ${NAME_LENGTH_MAX} characters out of a-z A-Z 0-9 . _ - ; not . or ..`
}

/** What is wrong with a group name, for people; null where it is fine. */
export function groupNameFault (name: string): string | null {
  if (typeof name === 'string' && TOPIC_NAME.test(name)) return null
  return `group name ${quote(name)} is not allowed: use 1 to ${NAME_LENGTH_MAX} characters out of a-z A-Z 0-9 . _ -`
}

function quote (name: unknown): string {
  if (typeof name !== 'string') return String(name)
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name)
}
