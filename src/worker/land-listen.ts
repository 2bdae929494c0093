import { Server } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { socketBacklog } from '../protocol/worker.ts';
import { type ListenRequest, readListenArguments } from './listen-arguments.ts';

export interface LandingSite {
  /** The bound Unix socket that the edge connects to. */
  fd: number;
  /** What `server.address()` answers when the app asked for no certain port. */
  defaultPort: number;
  onListening(): void;
  /** It has listened, and is closed since a moment ago: a process that is about to end does not live to see it. */
  onClosed(): void;
  onNote(message: string): void;
}

export interface Landing {
  /** The server that the edge reaches, once it listens. */
  server(): Server | undefined;
}

const closedMs = 2_000;

type Listen = (this: Server, ...args: unknown[]) => Server;

/**
 * From now on the first server of this process that listens lands on the inherited socket, whatever address it asks
 * for, and everything it can ask about itself (`address()`, `remoteAddress`) is what a local TCP proxy would show.
 * Later servers listen where they ask to, inside the sandbox's own network.
 */
export function landFirstListen(site: LandingSite): Landing {
  const nodeListen = Reflect.get(Server.prototype, 'listen') as Listen;
  let landed: Server | undefined;
  let landedPort = 0;

  function listen(this: Server, ...args: unknown[]): Server {
    const request = readListenArguments(args);
    if (!request || this.listening) return nodeListen.apply(this, args);
    if (!landed && !isProbe(this)) return land(this, request);
    if (landed && isTwin(request, landedPort)) return listenAsTwin(this, request);
    if (landed && !isProbe(this)) this.once('listening', () => site.onNote(describeLater(request)));
    return nodeListen.apply(this, args);
  }

  function land(server: Server, request: ListenRequest): Server {
    landed = server;
    landedPort = 'port' in request.target ? request.target.port : 0;
    if (server.listenerCount('secureConnection') > 0) servePlain(server, site);
    const address = shownAddress(request.target, site.defaultPort);
    if (typeof address === 'object') server.prependListener('connection', showTcpPeer(address));
    server.once('listening', () => site.onListening());
    server.once('close', () => setTimeout(() => site.onClosed(), closedMs).unref());
    const options = { fd: site.fd, ...(request.signal && { signal: request.signal }) };
    // Behind them: with a descriptor, Node takes no `backlog` among the options.
    nodeListen.call(server, options, socketBacklog, ...callbackOf(request));
    showAddress(server, address);
    return server;
  }

  /** Another server of the same port: Fastify opens one for every address of `localhost`. It has nothing to do here. */
  function listenAsTwin(server: Server, request: ListenRequest): Server {
    if (!landed?.listening) site.onNote('closed its server and listens again: requests can not reach it any more');
    // A name in the abstract namespace is in nobody's way (unix(7)). The global loads its module only here.
    nodeListen.call(server, { path: `\0${crypto.randomUUID()}` }, ...callbackOf(request));
    showAddress(server, shownAddress(request.target, site.defaultPort));
    return server;
  }

  Server.prototype.listen = listen;
  return { server: () => landed };
}

/** Searches for a free port (get-port, portfinder) listen with a server that serves nothing, and close it again. */
function isProbe(server: Server): boolean {
  return server.listenerCount('connection') === 0;
}

function isTwin({ target }: ListenRequest, landedPort: number): boolean {
  return 'port' in target && target.port !== 0 && target.port === landedPort;
}

function callbackOf(request: ListenRequest): (() => void)[] {
  return request.callback ? [request.callback] : [];
}

function describeLater({ target }: ListenRequest): string {
  if ('path' in target) return `also listens on ${target.path} inside its sandbox; requests reach only its first server`;
  return `also listens on port ${target.port} inside its sandbox; requests reach only its first server`;
}

function shownAddress(target: ListenRequest['target'], defaultPort: number): AddressInfo | string {
  if ('path' in target) return target.path;
  return { address: '127.0.0.1', family: 'IPv4', port: target.port || defaultPort };
}

type NamedHandle = { getsockname?: (out: object) => number; getpeername?: (out: object) => number } | null | undefined;

function handleOf(owner: Server | Socket): NamedHandle {
  return Reflect.get(owner, '_handle') as NamedHandle;
}

/** `address()` and, in a cluster, the workers' `address()` read it from the handle; a pipe's handle has none. */
function showAddress(server: Server, address: AddressInfo | string): void {
  const handle = handleOf(server);
  if (handle && typeof address === 'object') handle.getsockname = fill(address);
  else Object.assign(server, { _pipeName: address });
}

/** The client's address is in `x-forwarded-for`, as behind any proxy on the same machine; here is that proxy's. */
function showTcpPeer(address: AddressInfo): (socket: Socket) => void {
  const localName = fill(address);
  return (socket) => {
    const handle = handleOf(socket);
    if (handle) Object.assign(handle, { getpeername: peerName, getsockname: localName });
  };
}

const peerName = fill({ address: '127.0.0.1', family: 'IPv4', port: 49_152 });

function fill(address: AddressInfo): (out: object) => number {
  return (out) => {
    Object.assign(out, address);
    return 0;
  };
}

/** The edge ended TLS already: hand its plain connections to an https server as if they had been decrypted here. */
function servePlain(server: Server, site: LandingSite): void {
  site.onNote('serves https itself: TLS ends at the edge, so its server gets plain http');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    server.emit('secureConnection', Object.assign(socket, { encrypted: true, alpnProtocol: 'http/1.1' }));
  });
}
