// The public face of @sluice/broker: a broker to start inside a process, and the table of its options.

export { Broker, type BrokerParts } from './broker.js'
export {
  ConfigError, OPTIONS, OPTION_NAMES, environmentName, parseAddress, parseConfig,
  type BrokerConfig, type OptionName, type OptionRow, type OptionSource, type OptionTexts,
} from './config.js'
export { TOPIC_SETTINGS, type TopicSettingName, type TopicSettingRow } from './control/topic-config.js'
export { QUEUE_SETTINGS, type QueueSettingName, type QueueSettingRow } from './queue/queue-settings.js'
export { runBrokerProcess, type BrokerProcessOptions } from './main.js'
export { silentLogger, type Logger } from './runtime/logger.js'
