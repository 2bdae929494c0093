import { once } from 'node:events';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { appSpec, startTenant, type TestDaemon } from './test-daemon.ts';

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const script = Buffer.from('console.log("the same line");\n'.repeat(100));
const compress = { '.gz': gzipSync, '.br': brotliCompressSync, '.zst': zstdCompressSync };
const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
const builtAtS = 1_700_000_000;

async function startSite(): Promise<TestDaemon> {
  const daemon = await startTenant();
  await daemon.configure(appSpec('static-site', { kind: 'static', staticRoot: 'public' }));
  await daemon.event('app-state', { app: 'static-site', state: 'running' });
  return daemon;
}

function put(daemon: TestDaemon, name: string, content: Buffer, modifiedAtS = builtAtS): void {
  const file = daemon.path('apps', 'static-site', 'public', name);
  writeFileSync(file, content);
  utimesSync(file, modifiedAtS, modifiedAtS);
}

/** A script with twins of these codings. */
function putScript(daemon: TestDaemon, suffixes: readonly (keyof typeof compress)[], twinsModifiedAtS = builtAtS): void {
  put(daemon, 'app.js', script);
  for (const suffix of suffixes) put(daemon, `app.js${suffix}`, compress[suffix](script), twinsModifiedAtS);
}

async function get(daemon: TestDaemon, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const options = { socketPath: daemon.staticSocket, path, method, agent: false };
  const sent = request({ ...options, headers: { host: 'site.example', 'x-tenantd-app': 'static-site', ...headers } }).end();
  const [response] = await once(sent, 'response');
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) };
}

describe('a file with compressed twins', () => {
  test('is served as the client wants it', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz', '.br', '.zst']);
    const wishes = { 'gzip, deflate, br, zstd': 'zstd', 'gzip, br': 'br', gzip: 'gzip', 'br;q=0.5, gzip': 'gzip' } as const;
    for (const [wanted, coding] of Object.entries(wishes)) {
      const { status, headers, body } = await get(daemon, '/app.js', { 'accept-encoding': wanted });
      expect(status).toBe(200);
      expect(headers).toMatchObject({ 'content-encoding': coding, vary: 'accept-encoding', 'content-length': String(body.length) });
      expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
      expect(decode[coding](body).equals(script)).toBe(true);
    }
  });

  test('is served as it is to a client that takes no coding, and caches are told', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz']);
    for (const headers of [{}, { 'accept-encoding': 'br' }, { 'accept-encoding': 'gzip;q=0' }, { 'accept-encoding': 'gzip;q=x' }]) {
      const answer = await get(daemon, '/app.js', headers);
      expect(answer.body.equals(script)).toBe(true);
      expect(answer.headers).toMatchObject({ vary: 'accept-encoding', 'content-length': String(script.length) });
      expect(answer.headers).not.toHaveProperty('content-encoding');
    }
    expect((await get(daemon, '/style.css', { 'accept-encoding': 'gzip' })).headers).not.toHaveProperty('vary');
  });

  test('has a validator of its own for each coding', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz', '.br', '.zst']);
    const codings = ['zstd', 'br', 'gzip', 'identity'];
    const answers = await Promise.all(codings.map((coding) => get(daemon, '/app.js', { 'accept-encoding': coding })));
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(4);
    for (const [at, coding] of codings.entries()) {
      const etag = String(answers[at]?.headers.etag);
      const same = await get(daemon, '/app.js', { 'accept-encoding': coding, 'if-none-match': etag });
      expect(same).toMatchObject({ status: 304, headers: { etag, vary: 'accept-encoding' } });
      expect(same.headers).not.toHaveProperty('content-encoding');
      expect((await get(daemon, '/app.js', { 'accept-encoding': coding, 'if-match': '"other"' })).status).toBe(412);
      const other = codings[(at + 1) % codings.length] ?? '';
      expect((await get(daemon, '/app.js', { 'accept-encoding': other, 'if-none-match': etag })).status).toBe(200);
    }
  });

  test('gives ranges of the coded content', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz']);
    const whole = gzipSync(script);
    const part = await get(daemon, '/app.js', { 'accept-encoding': 'gzip', range: 'bytes=2-5' });
    expect(part).toMatchObject({
      status: 206,
      headers: { 'content-encoding': 'gzip', 'content-range': `bytes 2-5/${whole.length}`, 'content-length': '4' },
    });
    expect(part.body.equals(whole.subarray(2, 6))).toBe(true);
    const asItIs = await get(daemon, '/app.js', { range: 'bytes=0-6' });
    expect(asItIs).toMatchObject({ status: 206, headers: { 'content-range': `bytes 0-6/${script.length}` } });
    expect(String(asItIs.body)).toBe('console');
  });

  test('has the same head for HEAD, without the content', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.br']);
    const wanted = { 'accept-encoding': 'br', connection: 'close' };
    const [whole, head] = [await get(daemon, '/app.js', wanted), await get(daemon, '/app.js', wanted, 'HEAD')];
    const { date: _, ...fields } = whole.headers;
    expect(head).toMatchObject({ status: 200, headers: fields });
    expect(head.body.length).toBe(0);
  });

  test('is served as it is when it was changed after them', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz'], builtAtS - 1);
    const answer = await get(daemon, '/app.js', { 'accept-encoding': 'gzip' });
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(answer.body.equals(script)).toBe(true);
    putScript(daemon, ['.br']);
    expect((await get(daemon, '/app.js', { 'accept-encoding': 'gzip, br;q=0.1' })).headers['content-encoding']).toBe('br');
  });

  test('can be an index, and be reached through a link', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz']);
    symlinkSync('app.js', daemon.path('apps', 'static-site', 'public', 'linked.txt'));
    put(daemon, 'index.html', script);
    put(daemon, 'index.html.gz', gzipSync(script));
    const index = await get(daemon, '/?a=b', { 'accept-encoding': 'gzip' });
    expect(index.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'text/html; charset=utf-8' });
    expect((await get(daemon, '/linked.txt', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBe('gzip');
  });

  test('leaves them to be asked for by their own names', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz']);
    const twin = await get(daemon, '/app.js.gz', { 'accept-encoding': 'gzip' });
    expect(twin.headers['content-type']).toBe('application/gzip');
    expect(twin.headers).not.toHaveProperty('content-encoding');
  });
});

describe('what is no twin', () => {
  test('a link that leads out, to a hidden file or to nothing, a folder, and a file that is alone', async () => {
    await using daemon = await startSite();
    const root = daemon.path('apps', 'static-site', 'public');
    const secret = gzipSync('secret');
    writeFileSync(daemon.path('apps', 'static-site', 'secret.gz'), secret);
    writeFileSync(`${root}/.hidden.gz`, secret);
    for (const name of ['out', 'hidden', 'nothing', 'folder']) put(daemon, `${name}.js`, script);
    symlinkSync('../secret.gz', `${root}/out.js.gz`);
    symlinkSync('.hidden.gz', `${root}/hidden.js.gz`);
    symlinkSync('nowhere', `${root}/nothing.js.gz`);
    mkdirSync(`${root}/folder.js.gz`);
    for (const name of ['out', 'hidden', 'nothing', 'folder']) {
      const answer = await get(daemon, `/${name}.js`, { 'accept-encoding': 'gzip' });
      expect([name, answer.headers['content-encoding'], answer.body.equals(script)]).toEqual([name, undefined, true]);
    }
    put(daemon, 'alone.js.gz', gzipSync(script));
    expect((await get(daemon, '/alone.js', { 'accept-encoding': 'gzip' })).status).toBe(404);
  });

  test('a name that gets too long', async () => {
    await using daemon = await startSite();
    const name = `${'n'.repeat(250)}.js`;
    put(daemon, name, script);
    expect((await get(daemon, `/${name}`, { 'accept-encoding': 'gzip' })).status).toBe(200);
  });
});

describe('an answer without the file', () => {
  test('has nothing of its fields, and is no fault', async () => {
    await using daemon = await startSite();
    putScript(daemon, ['.gz']);
    const range = { range: 'bytes=100000-' };
    for (const asked of [{ 'if-match': '"other"' }, { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }, range]) {
      for (const wanted of ['gzip', 'identity']) {
        const answer = await get(daemon, '/app.js', { ...asked, 'accept-encoding': wanted });
        expect(answer).toMatchObject({ status: asked === range ? 416 : 412, headers: { 'content-type': 'text/plain; charset=utf-8' } });
        for (const name of ['content-encoding', 'etag', 'last-modified', 'cache-control']) expect(answer.headers).not.toHaveProperty(name);
      }
    }
    expect((await get(daemon, '/app.js', range)).headers['content-range']).toBe(`bytes */${script.length}`);
    expect(daemon.events.filter(({ name }) => name === 'log')).toEqual([]);
  });
});
