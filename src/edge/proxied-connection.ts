/** One end of a connection. */
export interface Endpoint {
  /** Canonical. */
  address: string;
  port: number;
}

/** What a proxy says of the connection that it carries on; without ends where it speaks for itself (health checks), or can't tell. */
export interface ProxiedConnection {
  source?: Endpoint;
  destination?: Endpoint;
  /** The client speaks TLS with the proxy. */
  secure: boolean;
}

/** `done: false`: more bytes are needed. `fault`: the connection does not begin with a PROXY header, or with one that is not valid. */
export type ProxyHeaderRead = { done: false } | { done: true; headerBytes: number; connection: ProxiedConnection } | { fault: string };
