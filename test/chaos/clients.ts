import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.ts';
import { attempt, type Attempt, LostConnection } from './attempt.ts';
import type { Ledger, RequestRecord } from './ledger.ts';
import type { Random } from './random.ts';
import type { ChaosTenant } from './tenants.ts';
import { startWebSocketClient } from './websocket-client.ts';

export interface ClientsOptions {
  tenants: readonly ChaosTenant[];
  ports: { http: number; https: number };
  ca: string;
  ledger: Ledger;
  random: Random;
  /** Of each tenant. */
  requestsPerSecond: number;
}

export interface Clients {
  stop(): Promise<void>;
}

/** Of one request, over fresh connections: a browser gives up sooner, a machine on which everything dies is not a browser's. */
const mostAttempts = 4;
const burstMs = 700;
/** Longer than the tenants' `idle` and what it takes to notice it. */
const pauseMs = { least: 3_500, most: 6_500 };

/** A steady load on all of them, whether answers come or not, until it is stopped. */
export function startClients(options: ClientsOptions): Clients {
  const stopping = new AbortController();
  const running = options.tenants.flatMap((tenant) => [
    loadTenant(tenant, options, stopping.signal),
    ...(tenant.hasWebSocket ? [startWebSocketClient(tenant, options.ports.http, options.ledger, stopping.signal)] : []),
  ]);
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

async function loadTenant(tenant: ChaosTenant, options: ClientsOptions, signal: AbortSignal): Promise<void> {
  const { random, requestsPerSecond } = options;
  const agents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };
  const open = new Set<Promise<void>>();
  let burstEndsMs = performance.now() + burstMs;
  while (!signal.aborted) {
    const asked = ask(tenant, requestOf(tenant, options, agents), options.ledger).finally(() => open.delete(asked));
    open.add(asked);
    const isPause = tenant.isSleepy && performance.now() > burstEndsMs;
    const waitMs = isPause
      ? pauseMs.least + random.below(pauseMs.most - pauseMs.least)
      : ((0.5 + random.next()) * 1_000) / requestsPerSecond;
    if (isPause) burstEndsMs = performance.now() + waitMs + burstMs;
    await delay(waitMs, undefined, { signal }).catch(() => {}); // the end
  }
  await Promise.all(open);
  agents.http.destroy();
  agents.https.destroy();
}

interface Planned extends Attempt {
  way: string;
  expectedEnd: string;
}

function requestOf(
  { host, isLively }: ChaosTenant,
  { random, ports, ca }: ClientsOptions,
  agents: { http: http.Agent; https: https.Agent },
): Planned {
  const isSecure = random.chance(0.5);
  const isNew = random.chance(0.3);
  const body = isLively && random.chance(0.1) ? randomBytes(1 + random.below(200_000)) : undefined;
  const isSlow = isLively && !body && random.chance(0.1);
  return {
    way: `${body ? 'POST ' : isSlow ? 'slow ' : ''}${isSecure ? 'https' : 'http'}${isNew ? ' new' : ''}`,
    port: isSecure ? ports.https : ports.http,
    host,
    path: body ? '/echo' : isSlow ? `/slow?ms=${100 + random.below(1_200)}` : '/',
    expectedEnd: body ? createHash('sha1').update(body).digest('hex') : '',
    ...(body && { body }),
    ...(isSecure && { ca }),
    ...(!isNew && { agent: isSecure ? agents.https : agents.http }),
  };
}

/** Repeats over a connection of its own what may be repeated (RFC 9110, 9.2.2). */
async function ask(tenant: ChaosTenant, planned: Planned, ledger: Ledger): Promise<void> {
  const { way, agent, expectedEnd, ...rest } = planned;
  const record: RequestRecord = { tenant: tenant.name, way, sentMs: performance.now(), endedMs: 0, lost: [] };
  for (;;) {
    const sentMs = performance.now();
    try {
      const again = record.lost.length > 0;
      const { status, text } = await attempt({ ...rest, ...(agent && !again && { agent }) });
      if (status !== 200) record.fault = `${status} ${text.replaceAll(/\s+/g, ' ').slice(0, 200)}`;
      else checkIdentity(tenant, text, expectedEnd, record);
      break;
    } catch (error) {
      if (!(error instanceof LostConnection)) {
        record.fault = messageOf(error);
        break;
      }
      record.lost.push({ sentMs, lostMs: performance.now(), why: error.message, reused: error.reused });
      if (planned.body) break;
      if (record.lost.length === mostAttempts) {
        record.fault = `${mostAttempts} connections were lost`;
        break;
      }
    }
  }
  record.endedMs = performance.now();
  ledger.add(record);
}

function checkIdentity(tenant: ChaosTenant, text: string, expectedEnd: string, record: RequestRecord): void {
  if (text.startsWith(`${tenant.name} `) && text.endsWith(expectedEnd)) return;
  record.fault = `answered with: ${text.slice(0, 100)}`;
  record.isForeign = !text.startsWith(`${tenant.name} `);
}
