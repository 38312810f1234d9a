// Who the client is: what it must be able to offer before a connection counts as open.
//
// The hello names the mechanism that the client wants and the broker answers with those that it has. A mismatch does
// not get better by trying again, so it ends the connection and the call with AUTHENTICATION.

import { BrokerError } from '../broker-error.js'
import { formatAddress, type Address, type Auth } from '../client-options.js'

/** Checks that client and broker agree on a mechanism. @throws BrokerError AUTHENTICATION */
export function checkMechanism (auth: Auth | null, offered: readonly string[], address: Address): void {
  const broker = `broker ${formatAddress(address)}`
  if (auth === null) {
    if (offered.length === 0) return
    throw new BrokerError('AUTHENTICATION', `${broker} asks for authentication (${offered.join(', ')}): pass the auth option`)
  }
  if (offered.length === 0) {
    throw new BrokerError('AUTHENTICATION', `${broker} has no authentication, so who you are cannot be proven to it: ` +
      'leave out the auth option, or configure authentication on the broker')
  }
  const hint = offered.includes(auth.mechanism)
    ? `and this version of the client cannot carry out ${auth.mechanism}: upgrade it`
    : `not ${auth.mechanism}: choose one of them`
  throw new BrokerError('AUTHENTICATION', `${broker} offers ${offered.join(', ')} for authentication, ${hint}`)
}
