// The errors of whoever reads a topic that is deleted meanwhile. A topic that is created under its name is another one:
// its records are others, and offsets of the old one mean nothing in it, so nobody is led over from one to the other.

import { BrokerError } from '../broker-error.js'

/** The topic is gone. */
export function topicDeleted (topic: string, cause?: BrokerError): BrokerError {
  return new BrokerError('UNKNOWN_TOPIC', `topic ${topic} was deleted while it was read; once it is there again, read it ` +
    'with a new consumer, or call read again', { topic, cause })
}

/** The topic is gone, and there is another of its name. */
export function topicReplaced (topic: string): BrokerError {
  return new BrokerError('UNKNOWN_TOPIC', `topic ${topic} was deleted and created anew while it was read: it holds other ` +
    'records now; read them with a new consumer, or call read again', { topic })
}

/** The queue is gone, or there is another of its name. */
export function queueDeleted (queue: string, cause: BrokerError): BrokerError {
  return new BrokerError('UNKNOWN_TOPIC', `queue ${queue} was deleted while it was worked on; where there is one of its ` +
    'name again, call work or receive again', { topic: queue, cause })
}
