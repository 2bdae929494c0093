import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { setSecret } from '../support/set-secret.ts';
import { until } from '../support/until.ts';

const plans = `plans:
  starter: { memory: 256M, cpu: 1, processes: 128, bodySize: 25M }
  business: { memory: 512M, cpu: 2, processes: 256, bodySize: 100M }`;

interface WhoAmI {
  tenant: string;
  app: string;
  uid: number;
  subdomain?: string | null;
}

describe('the example tenants', () => {
  let daemon: TestDaemon;
  const ask = (host: string, path = '/', more: object = {}) => request(daemon.port, { host, path, ...more });
  const whoAmI = async (host: string, path = '/whoami'): Promise<WhoAmI> => JSON.parse((await ask(host, path)).text) as WhoAmI;

  beforeAll(async () => {
    const names = readdirSync(repositoryPath('tenants.example')).filter((name) => !name.includes('.'));
    const tenants = Object.fromEntries(names.map((name) => [name, { '.': { copy: repositoryPath(`tenants.example/${name}`) } }]));
    daemon = await startTestDaemon({ tenants, plans });
    await daemon.untilApps(['acme/site', 'acme/api', 'globex/chat', 'hooli/web', 'initech/site', 'umbrella/counter']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('have no problems', async () => {
    const { tenants, problems } = await daemon.status();
    expect([...problems, ...tenants.flatMap((tenant) => tenant.problems)]).toEqual([]);
  });

  test('answer with their own identity, each under a uid of its own', async () => {
    const found = [
      await whoAmI('acme.localhost'),
      await whoAmI('acme.localhost', '/api/whoami'),
      await whoAmI('globex.localhost'),
      await whoAmI('nucleus.hooli.localhost'),
      await whoAmI('umbrella.localhost'),
    ];
    expect(found.map(({ tenant, app }) => `${tenant}/${app}`)).toEqual([
      'acme/site',
      'acme/api',
      'globex/chat',
      'hooli/web',
      'umbrella/counter',
    ]);
    expect(new Set(found.map(({ uid }) => uid)).size).toBe(found.length);
  });

  test('an unmodified Express app answers pages and its own 404', async () => {
    expect((await ask('acme.localhost')).text).toContain('<html');
    expect((await ask('acme.localhost', '/nothing-here')).status).toBe(404);
  });

  test('an unmodified Fastify app below a path takes orders and keeps them', async () => {
    const body = JSON.stringify({ product: 'anvil', quantity: 2 });
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    const order = await ask('acme.localhost', '/api/orders', { method: 'POST', body, headers });
    expect(order.status).toBe(201);
    expect(JSON.parse((await ask('acme.localhost', '/api/orders')).text)).toEqual({ orders: 1 });
    await daemon.ctl('app', 'restart', 'acme/api');
    expect(JSON.parse((await ask('acme.localhost', '/api/orders')).text)).toEqual({ orders: 1 });
  });

  test('a secret signs receipts as soon as it is set, and is shown nowhere', async () => {
    const body = JSON.stringify({ product: 'anvil' });
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    const order = async (): Promise<{ id: string; cents: number; receipt?: string }> =>
      JSON.parse((await ask('acme.localhost', '/api/orders', { method: 'POST', body, headers })).text) as never;
    expect(await order()).not.toHaveProperty('receipt');
    const key = randomBytes(16).toString('hex');
    expect((await setSecret(daemon, 'acme/api', 'RECEIPT_KEY', key)).code).toBe(0);
    const { id, cents, receipt } = await order();
    expect(receipt).toBe(createHmac('sha256', key).update(`${id} ${cents}`).digest('base64url'));
    expect((await daemon.ctl('logs', 'acme')).stdout + (await daemon.ctl('secret', 'list', 'acme')).stdout).not.toContain(key);
  });

  test("a page shows another tenant's products, until that takes its grant back", async () => {
    const page = async (): Promise<string> => (await ask('hooli.localhost', '/partner')).text;
    expect(await page()).toContain('Portable tunnel, painted');
    const file = `${daemon.tenantsDir}/acme/tenant.yaml`;
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^grants:\n.*\n/m, ''));
    await until(async () => (await page()).includes('does not let us see'), 'the grant is taken back');
  });

  test('a tenant fills its own small disk, and its app goes on answering', async () => {
    const fill = await daemon.ctl('exec', 'umbrella/counter', '--', 'sh', '-c', 'head -c 100M /dev/zero > /data/big');
    expect(fill.stderr).toContain('No space left on device');
    expect((await ask('umbrella.localhost')).status).toBe(200);
    expect((await daemon.ctl('exec', 'umbrella/counter', '--', 'rm', '/data/big')).code).toBe(0);
  });

  test('an alias redirects to the same path and query', async () => {
    const { status, headers } = await ask(`www.acme.localhost:${daemon.port}`, '/about?x=1');
    expect([status, headers.location]).toEqual([308, `http://acme.localhost:${daemon.port}/about?x=1`]);
  });

  test('two guests of the WebSocket chat hear each other', async () => {
    const [first, second] = [await enterChat(daemon.port), await enterChat(daemon.port)];
    first.send('hello there');
    expect(await second.heard('hello there')).toMatchObject({ type: 'message', text: 'hello there' });
    first.close();
    second.close();
  });

  test('a wildcard domain leads every name below it to the fetch handler', async () => {
    expect(await whoAmI('nucleus.hooli.localhost')).toMatchObject({ subdomain: 'nucleus' });
    expect(await whoAmI('a.b.hooli.localhost')).toMatchObject({ subdomain: 'a.b' });
    expect((await ask('hooli.localhost', '/shout', { method: 'POST', body: 'hey' })).text).toBe('HEY');
  });

  test('a static site serves types, ranges, conditional requests, folders and its own 404 page', async () => {
    const image = await ask('initech.localhost', '/logo.png');
    expect([image.status, image.headers['content-type']]).toEqual([200, 'image/png']);
    const etag = image.headers.etag ?? '';
    expect((await ask('initech.localhost', '/logo.png', { headers: { 'if-none-match': etag } })).status).toBe(304);
    const part = await ask('initech.localhost', '/tps-report.txt', { headers: { range: 'bytes=0-99' } });
    expect([part.status, part.body.length]).toEqual([206, 100]);
    expect((await ask('initech.localhost', '/about')).headers.location).toContain('/about/');
    const missing = await ask('initech.localhost', '/nothing-here');
    expect([missing.status, missing.text.includes('<html')]).toEqual([404, true]);
    expect((await ask('initech.localhost', '/.draft.txt')).status).toBe(404);
  });

  test('a Python program counts, and goes on counting after a restart', async () => {
    const count = async (): Promise<number> => (JSON.parse((await ask('umbrella.localhost', '/count')).text) as { count: number }).count;
    const before = await count();
    await ask('umbrella.localhost', '/count', { method: 'POST' });
    expect((await daemon.ctl('app', 'restart', 'umbrella/counter')).code).toBe(0);
    expect(await count()).toBe(before + 1);
  });

  test("a client's own copies of identity headers do not reach the app, however they are written", async () => {
    const headers = { 'x-tenantd-tenant': 'globex', x_tenantd_tenant: 'globex', 'X-Tenantd-App': 'chat' };
    const { text } = await ask('acme.localhost', '/whoami', { headers });
    expect(JSON.parse(text)).toMatchObject({ tenant: 'acme', app: 'site' });
  });

  test('an unknown host gets 421, and its page tells nothing of who is here', async () => {
    const { status, text } = await ask('nobody.localhost');
    expect(status).toBe(421);
    expect(text).not.toMatch(/acme|globex|tenants/);
  });
});

/** The package that the chat itself uses: unlike Node's own WebSocket it lets a test say which host it means. */
interface GuestSocket {
  on(event: 'open' | 'error' | 'message', listener: (data: unknown) => void): void;
  send(text: string): void;
  close(): void;
}

async function enterChat(port: number) {
  const requireFromChat = createRequire(repositoryPath('tenants.example/globex/apps/chat/chat.js'));
  const { WebSocket: Guest } = requireFromChat('ws') as { WebSocket: new (url: string, options: object) => GuestSocket };
  const socket = new Guest(`ws://127.0.0.1:${port}/chat`, { headers: { host: 'globex.localhost' } });
  const messages: { type: string; text?: string }[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data)) as { type: string; text?: string }));
  await new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  const find = (text: string) => messages.find((message) => message.text === text);
  return {
    send: (text: string) => socket.send(text),
    close: () => socket.close(),
    async heard(text: string) {
      await until(() => find(text) !== undefined, `"${text}" is heard`);
      return find(text);
    },
  };
}
