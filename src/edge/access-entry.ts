/** How a request ended. What people filter by: a name here keeps its meaning. */
export type AccessOutcome =
  /** The app's response went out whole; for 101, the tunnel has ended. */
  | 'ok'
  /** The edge itself answered, with nothing wrong: OPTIONS *, the JWKS path. */
  | 'edge'
  /** To https, or to the host's other name. */
  | 'redirect'
  /** The client closed its connection, or reset the stream, before the response was out. */
  | 'client-gone'
  /** The response was cut short: the app broke off or broke the protocol in its body. */
  | 'cut'
  /** The response was cut short because a time limit passed: the client did not take it, or it went on for too long. */
  | 'timeout'
  /** 400, 405, 505: not a request that this edge takes. */
  | 'malformed'
  /** 421: no tenant has the host, or the connection's certificate is another one's. */
  | 'misdirected'
  /** 403 of the edge: an app called another tenant's app without a grant. */
  | 'not-granted'
  /** 404 of the edge: the tenant has no app at the path. */
  | 'no-app'
  /** 413, 414, 431. */
  | 'too-large'
  /** 408. */
  | 'client-slow'
  /** 429: requests a second. */
  | 'rate-limited'
  /** 503: too many requests open or waiting, or too many tunnels. */
  | 'busy'
  /** 503: it waited for the app to start or wake, for too long. */
  | 'app-starting'
  /** 200 or 503: the app sleeps, and its `noWake` names this request. */
  | 'app-asleep'
  /** 503: the app, or its tenant, is stopped. */
  | 'app-stopped'
  /** 503: the tenant is suspended. */
  | 'suspended'
  /** 503: its tenant held up the edge again and again, and is left alone for a while. */
  | 'set-aside'
  /** 502: the app does not start. */
  | 'app-failed'
  /** 502: the app failed again and again, and is left alone for a while. */
  | 'app-quarantined'
  /** 502: no connection to the app. */
  | 'app-unreachable'
  /** 502: the app closed its connection before it answered, or answered with what is not valid HTTP. */
  | 'app-broken'
  /** 504. */
  | 'app-slow';

/** How the client spoke; `websocket` for every tunnel after a 101. */
export type AccessProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'websocket';

/**
 * What is logged of one finished request. One object is filled again and again: `record` keeps nothing of it. Texts are latin1, as
 * the parsers give them, and whatever bytes they hold are escaped; those of ours (app, tls, requestId) hold nothing to escape.
 */
export class AccessEntry {
  /** Empty when it was nobody's: such a request is in the operator's own log. */
  tenant = '';
  app = '';
  release = '';
  client = '';
  method = '';
  /** Without port. */
  host = '';
  /** In origin form; the query is left out of the line: it may hold credentials. */
  target = '';
  protocol: AccessProtocol = 'HTTP/1.1';
  /** `TLSv1.3`, say. */
  tls = '';
  /** 0 when nothing was answered. */
  status = 0;
  /** Of the bodies, as they were framed on the wire. */
  bytesIn = 0;
  bytesOut = 0;
  /** From the request's head to the end of it all. */
  durationMs = 0;
  /** From when it was sent to the app to the response's head; below 0 when there was no response of an app. */
  appMs = -1;
  requestId = '';
  outcome: AccessOutcome = 'ok';
}
