import http from 'node:http';
import https from 'node:https';
import { until } from '../../support/until.ts';
import { attempt, read } from './commands.ts';

export interface Answer {
  status: number;
  text: string;
}

export interface Site {
  host: string;
  secure: boolean;
  path?: string;
  expected: string;
}

const localCa = '/var/lib/tenantd/local-ca.pem';
const limitMs = 120_000;

/** One request to this machine; a connection of its own, unless an agent is given. */
export function visit({ host, secure, path = '/' }: Site, agent?: http.Agent): Promise<Answer> {
  const shared = { host: '127.0.0.1', path, headers: { host }, agent: agent ?? (false as const), timeout: limitMs };
  return new Promise((resolve, reject) => {
    const hear = (response: http.IncomingMessage): void => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    };
    const request = secure
      ? https.get({ ...shared, port: 443, servername: host, ca: read(localCa) }, hear)
      : http.get({ ...shared, port: 80 }, hear);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${limitMs} ms`)));
    request.on('error', reject);
  });
}

export async function isServed(site: Site): Promise<boolean> {
  try {
    const { status, text } = await visit(site);
    return status === 200 && text.includes(site.expected);
  } catch {
    return false; // not yet
  }
}

/** Waits until all of them are served; says what a visitor got when one is not. */
export async function untilServed(sites: readonly Site[], limitMs: number): Promise<void> {
  for (const site of sites) {
    const why = async (): Promise<string> => {
      const got = await visit(site).then(
        ({ status, text }) => `${status} ${text}`,
        (error: unknown) => String(error),
      );
      const shown = await Promise.all(['status', 'cert list'].map((words) => attempt('tenantctl', ...words.split(' '))));
      return [got, ...shown.map(({ output }) => output)].join('\n');
    };
    await until(() => isServed(site), `${site.host} is served at ${site.secure ? 443 : 80}`, limitMs, why);
  }
}

export interface Load {
  /** Throws when one request was not answered as expected; else says how many were. */
  end(): Promise<string>;
}

/** Visits all sites again and again, over connections that stay open and over new ones, until it is ended. */
export function startLoad(sites: readonly Site[]): Load {
  const ending = new AbortController();
  let requests = 0;
  let slowestMs = 0;
  const failures: string[] = [];
  const agents: http.Agent[] = [];

  async function visitAgain(site: Site, agent: http.Agent | undefined): Promise<void> {
    while (!ending.signal.aborted) {
      const startedMs = Date.now();
      requests += 1;
      try {
        const { status, text } = await visit(site, agent);
        if (status !== 200 || !text.includes(site.expected)) failures.push(`${site.host}: ${status} ${text.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${site.host}: ${String(error)}`);
      }
      slowestMs = Math.max(slowestMs, Date.now() - startedMs);
    }
  }

  const visitors = sites.flatMap((site) => {
    const agent = site.secure ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
    agents.push(agent);
    return [visitAgain(site, undefined), visitAgain(site, agent)];
  });
  return {
    async end() {
      ending.abort();
      await Promise.all(visitors);
      for (const agent of agents) agent.destroy();
      if (failures.length > 0) throw new Error(`${failures.length} of ${requests} requests failed: ${failures.slice(0, 5).join('; ')}`);
      return `${requests} requests, none failed, the slowest took ${slowestMs} ms`;
    },
  };
}

/** What happens under load, with no request failed. */
export async function underLoad(sites: readonly Site[], happen: () => Promise<unknown>): Promise<string> {
  const load = startLoad(sites);
  try {
    await happen();
  } catch (error) {
    await load.end().catch(() => {}); // The first fault is the one to tell.
    throw error;
  }
  return load.end();
}
