import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Answer, ask, type AskOptions } from '../worker/launched-worker.ts';
import { appSpec, startTenant, type TestDaemon } from './test-daemon.ts';

const site = appSpec('static-site', { kind: 'static', staticRoot: 'public' });

async function startSite(): Promise<TestDaemon> {
  const daemon = await startTenant();
  await daemon.configure(site, appSpec('answers', { desired: 'stopped' }));
  await daemon.event('app-state', { app: 'static-site', state: 'running', generation: 1 });
  return daemon;
}

function get(daemon: TestDaemon, path: string, options: AskOptions = {}): Promise<Answer> {
  return ask(daemon.staticSocket, path, { ...options, headers: { 'x-tenantd-app': 'static-site', ...options.headers } });
}

describe('a static app', () => {
  test('serves types, its index, folders and its own 404 page', async () => {
    await using daemon = await startSite();
    const index = await get(daemon, '/');
    expect(index).toMatchObject({ status: 200, body: expect.stringContaining('Home') as string });
    expect(index.headers['content-type']).toBe('text/html; charset=utf-8');
    expect((await get(daemon, '/style.css?v=1')).headers['content-type']).toBe('text/css; charset=utf-8');
    expect((await get(daemon, '/docs/')).body).toContain('Docs');
    expect(await get(daemon, '/docs?a=b')).toMatchObject({ status: 301, headers: { location: '/docs/?a=b' } });
    const lost = await get(daemon, '/nothing', { headers: { range: 'bytes=0-3' } });
    expect(lost).toMatchObject({ status: 404, body: expect.stringContaining('Lost') as string });
    expect((await get(daemon, '/style.css/')).status).toBe(404);
    expect((await get(daemon, '/.well-known/security.txt')).status).toBe(200);
  });

  test('answers ranges, conditions, HEAD, and no other method', async () => {
    await using daemon = await startSite();
    expect(await get(daemon, '/style.css', { headers: { range: 'bytes=0-3' } })).toMatchObject({ status: 206, body: 'body' });
    const { headers } = await get(daemon, '/style.css');
    const etag = String(headers.etag);
    expect(await get(daemon, '/style.css', { headers: { 'if-none-match': etag } })).toMatchObject({ status: 304, body: '' });
    const since = String(headers['last-modified']);
    expect((await get(daemon, '/style.css', { headers: { 'if-modified-since': since } })).status).toBe(304);
    expect(await get(daemon, '/style.css', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(await get(daemon, '/style.css', { method: 'POST', body: 'x' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });

  test('has no way out of its folder', async () => {
    await using daemon = await startSite();
    const root = daemon.path('apps', 'static-site', 'public');
    writeFileSync(`${root}/.env`, 'SECRET=1');
    mkdirSync(`${root}/.git`);
    writeFileSync(`${root}/.git/config`, 'SECRET=1');
    symlinkSync('/etc/passwd', `${root}/passwd`);
    symlinkSync('/etc', `${root}/etc`);
    symlinkSync(daemon.path('apps', 'answers'), `${root}/neighbour`);
    symlinkSync('../private.txt', `${root}/private.txt`);
    symlinkSync('.env', `${root}/env.txt`);
    symlinkSync('loop', `${root}/loop`);
    symlinkSync('style.css', `${root}/linked.css`);
    const denied = [
      '/.env',
      '/.git/config',
      '/passwd',
      '/etc/passwd',
      '/neighbour/server.js',
      '/neighbour/',
      '/private.txt',
      '/env.txt',
      '/loop',
    ];
    const climbing = [
      '/../private.txt',
      '/docs/../../private.txt',
      '/..%2fprivate.txt',
      '/%2e%2e/private.txt',
      '/docs%2f..%2f..%2fprivate.txt',
    ];
    const odd = [
      `/${'a'.repeat(5_000)}`,
      '/%5c..%5cprivate.txt',
      '/docs/./index.html',
      '/%2e/index.html',
      '/%2fetc/passwd',
      '//etc/passwd',
    ];
    for (const path of [...denied, ...climbing, ...odd]) {
      const answer = await get(daemon, path);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).toContain('Lost');
    }
    for (const path of ['/%00', '/style.css%00.png', '/%', '/%ff%zz']) expect((await get(daemon, path)).status).toBe(400);
    expect((await get(daemon, '/linked.css')).body).toContain('color');
  });

  test('redirects to no other site', async () => {
    await using daemon = await startSite();
    expect(await get(daemon, '//docs')).toMatchObject({ status: 301, headers: { location: '/docs/' } });
    expect((await get(daemon, '//evil.example/%2e%2e')).status).toBe(404);
  });

  test('is chosen by the header of the edge alone', async () => {
    await using daemon = await startSite();
    expect((await ask(daemon.staticSocket, '/', { headers: { 'x-tenantd-app': 'answers' } })).status).toBe(404);
    expect((await ask(daemon.staticSocket, '/', { headers: { 'x-tenantd-app': '../static-site' } })).status).toBe(404);
    expect((await ask(daemon.staticSocket, '/')).status).toBe(404);
  });

  test('without its folder fails with a reason, and runs when it is there', async () => {
    await using daemon = await startSite();
    renameSync(daemon.path('apps', 'static-site', 'public'), daemon.path('apps', 'static-site', 'away'));
    const state = await daemon.event('app-state', { state: 'failed' });
    expect(state['reason']).toBe('its folder public is not there');
    const from = daemon.events.length;
    renameSync(daemon.path('apps', 'static-site', 'away'), daemon.path('apps', 'static-site', 'public'));
    await daemon.event('app-state', { state: 'running' }, from);
    await daemon.configure({ ...site, staticRoot: '..' });
    await daemon.event('app-state', { state: 'failed' }, from);
    await daemon.configure({ ...site, desired: 'stopped' });
    await daemon.event('app-state', { state: 'stopped' }, from);
    expect((await get(daemon, '/')).status).toBe(404);
  });

  test('does not listen where there is none', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    const { promise, resolve } = Promise.withResolvers<string>();
    connect(daemon.staticSocket).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    expect(await promise).toBe('ECONNREFUSED');
  });
});
