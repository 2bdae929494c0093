import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { TenantGrant } from '../../../src/protocol/edge.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, isAlive, type MasterUnderTest, startMaster } from './master-under-test.ts';

const globex = 'globex' as TenantName;
const site = 'site' as AppName;
const [web, batch] = ['web', 'batch'] as AppName[];
const grant: TenantGrant = { to: globex, app: site };
const limits = generousLimits;
const tls = { redirect: true, hstsSeconds: 0 };

/** acme has the app `site`, globex has `web` and `batch`, hooli has `web`. */
function setAcme({ channel }: FakeDaemon, grants: TenantGrant[]): void {
  channel.notify('set-tenant', { tenant, hosts: [hostRoute(host)], apps: [appRoute('ready', ['one'])], limits, tls, grants });
}

function sendAll(daemon: FakeDaemon, grants: TenantGrant[]): void {
  const stopped = (app: AppName | undefined) => ({ app, state: 'stopped', upstreams: [], release: 'local', compress: false });
  daemon.channel.notify('snapshot-begin', {});
  setAcme(daemon, grants);
  daemon.channel.notify('set-tenant', { tenant: globex, hosts: [], apps: [stopped(web), stopped(batch)], limits, tls });
  daemon.channel.notify('set-tenant', { tenant: 'hooli', hosts: [], apps: [stopped(web)], limits, tls });
  daemon.channel.notify('snapshot-end', {});
}

interface Called {
  status: number;
  text: string;
}

async function call(socketPath: string, headers: http.OutgoingHttpHeaders, path = '/'): Promise<Called> {
  const asked = http.request({ socketPath, path, headers, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}

const toSite = { host: 'site.acme.internal' };

/** An app that answers with the fields it was sent, or opens a tunnel. */
function describeRequest(asked: http.IncomingMessage, response: http.ServerResponse): void {
  response.end(JSON.stringify(asked.headers));
}

async function startWithGrants(grants: TenantGrant[]): Promise<{ master: MasterUnderTest; daemon: FakeDaemon }> {
  const master = await startMaster(2);
  for (const caller of ['globex/web', 'globex/batch', 'hooli/web']) master.makeGateway(caller);
  await master.app('one', describeRequest, (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  const daemon = await master.startDaemon();
  sendAll(daemon, grants);
  await until(async () => (await request(master.port, { host }).catch(() => undefined))?.status === 200, 'the edges answer');
  return { master, daemon };
}

describe('a gateway', () => {
  test('leads to what was granted, and tells who calls, whatever the caller says', async () => {
    const { master } = await startWithGrants([grant]);
    for (const app of ['web', 'batch']) {
      const forged = { 'x-tenantd-caller': 'acme/site', x_tenantd_caller: 'acme/site', 'x-forwarded-for': '127.0.0.1' };
      const { status, text } = await call(master.gateway(`globex/${app}`), { ...toSite, ...forged }, '/deep?x=1');
      expect(status).toBe(200);
      const seen = JSON.parse(text) as Record<string, string>;
      const told = {
        'x-tenantd-caller': `globex/${app}`,
        'x-forwarded-for': 'unknown',
        'x-tenantd-tenant': 'acme',
        'x-tenantd-app': 'site',
      };
      expect(seen).toMatchObject(told);
      expect(Object.keys(seen).filter((name) => name.includes('_'))).toEqual([]);
      const claims = JSON.parse(Buffer.from(seen['x-tenantd-context']?.split('.')[1] ?? '', 'base64url').toString()) as object;
      expect(claims).toMatchObject({ aud: 'acme/site', tenant: 'acme', app: 'site', host: 'site.acme.internal', caller: `globex/${app}` });
    }
    const { text } = await request(master.port, { host });
    expect(JSON.parse(text)).not.toHaveProperty('x-tenantd-caller');
  });

  test('leads nowhere else: not to other apps, other tenants, its own, or public hosts', async () => {
    const { master } = await startWithGrants([grant]);
    const hosts = ['other.acme.internal', 'site.hooli.internal', 'web.globex.internal', host, 'acme.internal'];
    const tried = [
      'x.site.acme.internal',
      'site.acme.internal.evil.test',
      '.acme.internal',
      'site..internal',
      'localhost',
      '__proto__.acme.internal',
    ];
    for (const name of [...hosts, ...tried]) {
      const { status } = await call(master.gateway('globex/web'), { host: name });
      expect({ name, status }).toEqual({ name, status: 403 });
    }
  });

  test('is there for no tenant without a grant, and no name of a grant is a public host', async () => {
    const { master } = await startWithGrants([grant]);
    await until(() => existsSync(master.gateway('globex/web')), 'the gateway is there');
    expect(existsSync(master.gateway('hooli/web'))).toBe(false);
    expect((await request(master.port, toSite)).status).toBe(421);
  });

  test('closes at once when the grant is taken back, with what goes on over it, and opens at once when it is given', async () => {
    const { master, daemon } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    const tunnel = net.connect(path);
    tunnel.write('GET / HTTP/1.1\r\nHost: site.acme.internal\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await once(tunnel, 'data');
    const closed = once(tunnel, 'close');
    tunnel.on('error', () => {});
    setAcme(daemon, [{ to: 'hooli' as TenantName, app: site }]);
    await closed;
    await until(() => !existsSync(path) && existsSync(master.gateway('hooli/web')), 'the sockets are those of the grants now');
    expect((await call(master.gateway('hooli/web'), toSite)).status).toBe(200);
    setAcme(daemon, [grant]);
    await until(() => existsSync(path), 'the gateway is back');
    expect((await call(path, toSite)).status).toBe(200);
  });

  test('refuses no call when the edges are killed, and counts what was asked over it', async () => {
    const { master, daemon } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    await until(() => existsSync(path), 'the gateway is there');
    for (let round = 0; round < 3; round++) {
      const pids = master.edgePids();
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await until(() => !pids.some(isAlive), 'the edges are dead');
      expect((await call(path, toSite)).status).toBe(200);
    }
    const counted = (): number =>
      daemon.heard.flatMap(({ method, params }) => (method === 'grant-use' ? (params as { uses: { requests: number }[] }).uses : []))
        .length;
    await until(() => counted() > 0, 'the use was told');
    expect(daemon.heard.find(({ method }) => method === 'grant-use')?.params).toMatchObject({
      uses: [{ tenant: 'acme', app: 'site', caller: 'globex', callerApp: 'web' }],
    });
  });
});
