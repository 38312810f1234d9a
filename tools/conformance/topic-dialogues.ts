// Dialogues about topics and metadata.

import { expectEqual, expectItem, expectThat } from './deviation.js'
import type { Dialogue } from './dialogue.js'

const NEW_TOPIC = { kind: 'stream' as const, partitions: 1, replicationFactor: 0, config: {} }
const CREATE = { timeoutMs: 30_000, validateOnly: false }

export const TOPIC_DIALOGUE_LIST: readonly Dialogue[] = [
  {
    name: 'Topics: a topic is created, listed, described, given a leader, and deleted',
    async run (stage) {
      const connection = await stage.greeted()
      const { name, topicId } = await stage.topic(connection, 3)
      const { topics: listed } = await connection.tell('listTopics', {})
      expectEqual(listed.find(topic => topic.name === name)?.partitions, 3, 'partitions in listTopics')
      const { topics: described } = await connection.tell('describeTopics', { names: [name] })
      expectItem(described[0], 'NONE')
      expectEqual(described[0]!.partitions.length, 3, 'partitions in describeTopics')
      expectEqual(described[0]!.topicId, topicId, 'topic id')
      const { topics, brokers } = await connection.tell('metadata', { topics: [name] })
      expectItem(topics[0], 'NONE')
      for (const { partition, leader } of topics[0]!.partitions) {
        expectThat(brokers.some(broker => broker.brokerId === leader), `a live leader of partition ${partition}`, `broker ${leader}`)
      }
      expectItem((await connection.tell('deleteTopics', { timeoutMs: 30_000, names: [name] })).topics[0], 'NONE')
      expectItem((await connection.tell('metadata', { topics: [name] })).topics[0], 'UNKNOWN_TOPIC')
    },
  },
  {
    name: 'Topics: a name that is taken is answered with TOPIC_EXISTS; the others of the request are created',
    async run (stage) {
      const connection = await stage.greeted()
      const { name } = await stage.topic(connection)
      const other = stage.newName()
      const { topics } = await connection.tell('createTopics', {
        ...CREATE, topics: [{ ...NEW_TOPIC, name }, { ...NEW_TOPIC, name: other }],
      })
      expectItem(topics[0], 'TOPIC_EXISTS')
      expectItem(topics[1], 'NONE')
      expectItem((await connection.tell('deleteTopics', { timeoutMs: 30_000, names: [other] })).topics[0], 'NONE')
    },
  },
  {
    name: 'Topics: names with other characters, . and .. are answered with INVALID_TOPIC_NAME',
    async run (stage) {
      const connection = await stage.greeted()
      const names = ['', '.', '..', 'a/b', '../../etc/passwd', 'a b', 'ü', 'a\u0000b', 'x'.repeat(250)]
      const { topics } = await connection.tell('createTopics', {
        ...CREATE, topics: names.map(name => ({ ...NEW_TOPIC, name })),
      })
      for (const [index] of names.entries()) expectItem(topics[index], 'INVALID_TOPIC_NAME')
    },
  },
  {
    name: 'Topics: an unknown setting is answered with INVALID_CONFIG, a negative number of partitions with INVALID_PARTITIONS',
    async run (stage) {
      const connection = await stage.greeted()
      const { topics } = await connection.tell('createTopics', {
        ...CREATE,
        topics: [
          { ...NEW_TOPIC, name: stage.newName(), config: { 'no.such.setting': '1' } },
          { ...NEW_TOPIC, name: stage.newName(), partitions: -1 },
        ],
      })
      expectItem(topics[0], 'INVALID_CONFIG')
      expectItem(topics[1], 'INVALID_PARTITIONS')
    },
  },
  {
    name: 'Topics: validateOnly checks and creates nothing',
    async run (stage) {
      const connection = await stage.greeted()
      const name = stage.newName()
      const { topics } = await connection.tell('createTopics', { ...CREATE, validateOnly: true, topics: [{ ...NEW_TOPIC, name }] })
      expectItem(topics[0], 'NONE')
      expectItem((await connection.tell('metadata', { topics: [name] })).topics[0], 'UNKNOWN_TOPIC')
    },
  },
  {
    name: 'Topics: partitions are added, never taken away',
    async run (stage) {
      const connection = await stage.greeted()
      const { name } = await stage.topic(connection, 2)
      const alter = async (partitions: number): Promise<{ error: number, message: string } | undefined> =>
        (await connection.tell('alterTopics', {
          ...CREATE, topics: [{ name, partitions, replicationFactor: 0, set: {}, unset: [] }],
        })).topics[0]
      expectItem(await alter(4), 'NONE')
      expectEqual((await connection.tell('metadata', { topics: [name] })).topics[0]!.partitions.length, 4, 'partitions')
      expectItem(await alter(3), 'INVALID_PARTITIONS')
    },
  },
  {
    name: 'Topics: a topic that is deleted and created anew has another id',
    async run (stage) {
      const connection = await stage.greeted()
      const { name, topicId } = await stage.topic(connection)
      await connection.tell('deleteTopics', { timeoutMs: 30_000, names: [name] })
      const { topics } = await connection.tell('createTopics', { ...CREATE, topics: [{ ...NEW_TOPIC, name }] })
      expectItem(topics[0], 'NONE')
      expectThat(topics[0]!.topicId !== topicId, 'another topic id', topicId)
    },
  },
  {
    name: 'Metadata: an empty list asks for the brokers alone, null for all topics',
    async run (stage) {
      const connection = await stage.greeted()
      const { name } = await stage.topic(connection)
      const none = await connection.tell('metadata', { topics: [] })
      expectEqual(none.topics.length, 0, 'topics')
      expectThat(none.brokers.length > 0, 'a broker', 'none')
      const all = await connection.tell('metadata', { topics: null })
      expectThat(all.topics.some(topic => topic.name === name), `topic ${name} among all`, 'it is missing')
    },
  },
]
