// What the handlers of group requests work with.

import type { Groups } from './groups.js'
import type { BrokerServices } from './services.js'

export interface GroupServices extends BrokerServices {
  readonly groups: Groups
}
