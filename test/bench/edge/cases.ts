import { type LoadFigures, type LoadTarget, loadHandshakes, loadWebSockets, loadWithH2load, loadWithWrk } from './loaders.ts';
import { type ProxyName, proxyNames } from './proxy.ts';
import type { UpstreamKind } from './upstream.ts';

export interface BenchCase {
  id: string;
  title: string;
  load: (target: LoadTarget) => Promise<LoadFigures>;
  upstream: UpstreamKind;
  /** The others can't do it. */
  proxies: readonly ProxyName[];
  /** `cpu`: microseconds a request, each proxy on a processor of its own. `rate`: requests a second, everything on all processors. */
  measure: 'cpu' | 'rate';
  /** Our figure over theirs: at most for `cpu`, at least for `rate`. */
  goals: Partial<Record<ProxyName, number>>;
}

const withHttp2 = proxyNames.filter((name) => name !== 'http-proxy');
const plainGoals = { nginx: 1, caddy: 0.25, 'http-proxy': 0.1 };
const tlsGoals = { nginx: 1.2, caddy: 0.5 };
const cpu = { proxies: proxyNames, measure: 'cpu', upstream: 'static' } as const;

export const benchCases: readonly BenchCase[] = [
  {
    ...cpu,
    id: 'h1-small',
    title: 'HTTP/1.1 keep-alive, small answer: wrk, 32 connections',
    load: (target) => loadWithWrk(target, { connections: 32, path: '/small' }),
    goals: plainGoals,
  },
  {
    ...cpu,
    id: 'h1-64k',
    title: 'HTTP/1.1 keep-alive, 64 KiB answer: wrk, 32 connections',
    load: (target) => loadWithWrk(target, { connections: 32, path: '/large' }),
    goals: {},
  },
  {
    ...cpu,
    id: 'h1-upload',
    title: 'HTTP/1.1 keep-alive, 1 MiB upload: wrk, 8 connections',
    upstream: 'echo',
    load: (target) => loadWithWrk(target, { connections: 8, path: '/upload', uploadBytes: 1 << 20 }),
    goals: {},
  },
  {
    ...cpu,
    id: 'tls-small',
    title: 'TLS 1.3, HTTP/1.1 keep-alive, small answer: wrk, 32 connections',
    load: (target) => loadWithWrk(target, { connections: 32, path: '/small', tls: true }),
    goals: tlsGoals,
  },
  {
    ...cpu,
    id: 'tls-handshake',
    title: 'TLS 1.3, a full handshake (P-256) and a small answer each: 16 connections at once',
    load: (target) => loadHandshakes(target, 16),
    goals: tlsGoals,
  },
  {
    ...cpu,
    id: 'h2-many',
    title: 'HTTP/2 over TLS 1.3, small answer: h2load, 16 connections, 10 streams each',
    proxies: withHttp2,
    load: (target) => loadWithH2load(target, { connections: 16, streams: 10, path: '/small' }),
    goals: tlsGoals,
  },
  {
    ...cpu,
    id: 'h2-one',
    title: 'HTTP/2 over TLS 1.3, small answer: h2load, 32 connections, one stream each',
    proxies: withHttp2,
    load: (target) => loadWithH2load(target, { connections: 32, streams: 1, path: '/small' }),
    goals: tlsGoals,
  },
  {
    ...cpu,
    id: 'websocket',
    title: 'WebSocket echo of 64 bytes, 500 connections (a request is a message and its echo)',
    upstream: 'echo',
    load: (target) => loadWebSockets(target, 500),
    goals: {},
  },
  {
    id: 'app',
    title: 'HTTP/1.1 keep-alive to a Fastify app, whole machine: wrk, 64 connections',
    upstream: 'app',
    proxies: withHttp2,
    measure: 'rate',
    load: (target) => loadWithWrk(target, { connections: 64, path: '/small' }),
    goals: { nginx: 1 },
  },
];
