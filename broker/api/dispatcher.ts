// Finds the handler of a frame, decodes its body and makes sure that it is answered, whatever happens.

import { AssertionError } from 'node:assert'
import {
  API_KEY, API_VERSIONS, ERROR, MessageError, apiName, decodeBody, messageCodec, type ApiName, type Frame,
  type MessageCodec,
} from '@sluice/protocol'
import { Call, type ApiHandler } from '../net/call.js'
import type { Connection } from '../net/connection.js'
import type { Logger } from '../runtime/logger.js'

interface Route {
  handler: ApiHandler<unknown, unknown>
  request: MessageCodec<unknown>
  response: MessageCodec<unknown>
}

const ERROR_CODEC = messageCodec('error', 'response') as MessageCodec<unknown>

export class Dispatcher {
  private readonly routes = new Map<number, Route>()
  private readonly logger: Logger
  /** Set while the broker stops: requests that begin new work are refused. */
  stopping = false

  constructor (logger: Logger) {
    this.logger = logger
  }

  serve (handlers: readonly ApiHandler<never, never>[]): void {
    for (const handler of handlers) {
      this.routes.set(API_KEY[handler.api], {
        handler: handler as unknown as ApiHandler<unknown, unknown>,
        request: messageCodec(handler.api, 'request') as MessageCodec<unknown>,
        response: handler.isOneWay === true
          ? ERROR_CODEC
          : messageCodec(handler.api, 'response') as MessageCodec<unknown>,
      })
    }
  }

  /** Apis that are served, by key. */
  get apis (): ApiName[] {
    return [...this.routes.keys()].sort((a, b) => a - b).map(key => apiName(key)!)
  }

  dispatch (connection: Connection, frame: Frame): void {
    const slot = connection.beginRequest(frame)
    const route = this.routes.get(frame.api)
    const call = new Call(connection, frame, route?.response ?? ERROR_CODEC, slot)
    if (route === undefined) {
      return call.fail(ERROR.UNKNOWN_API, `api ${frame.api} is not known to this broker; its hello response lists those that are`)
    }
    const { min, max } = API_VERSIONS[route.handler.api]
    if (frame.version < min || frame.version > max) {
      return call.fail(ERROR.UNSUPPORTED_VERSION,
        `version ${frame.version} of ${route.handler.api} is not spoken here; use ${min === max ? min : `${min} to ${max}`}`)
    }
    if (connection.hello === null && route.handler.api !== 'hello') {
      call.fail(ERROR.HELLO_REQUIRED, `${route.handler.api} came before hello; send hello first on every connection`)
      return connection.end()
    }
    if (this.stopping && route.handler.isServedToTheEnd !== true) {
      return call.fail(ERROR.SHUTTING_DOWN, 'the broker is stopping; connect to another one, or again after its restart')
    }
    this.run(route, call, frame)
  }

  private run (route: Route, call: Call, frame: Frame): void {
    let request: unknown
    try {
      request = decodeBody(route.request, frame)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      return call.fail(ERROR.MALFORMED_FRAME, `${error.message}; compare it with the schema of ${route.request.name}`)
    }
    try {
      route.handler.handle(request, call, frame)
    } catch (error) {
      // A broken invariant leaves the state in doubt: better to stop than to go on. Anything else concerns this client.
      if (error instanceof AssertionError) throw error
      this.logger.error({ err: error, api: route.handler.api, client: call.connection.remoteAddress }, 'a request handler failed')
      call.fail(ERROR.INTERNAL, `the broker failed at ${route.handler.api}: ${(error as Error).message}; its log has the details`)
    }
  }
}
