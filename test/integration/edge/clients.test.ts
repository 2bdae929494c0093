import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { exchangeRaw, get } from './raw-client.ts';
import { type EdgeUnderTest, host, hostRoute, startEdge, tenant } from './edge-under-test.ts';

const close = 'Connection: close';
const echoFields: RequestListener = (request, response) => void response.end(JSON.stringify(request.headers));

async function startEcho(options: Parameters<typeof startEdge>[1] = {}): Promise<EdgeUnderTest> {
  const edge = await startEdge({}, options);
  await edge.http('one', echoFields);
  return edge;
}

/** What the app saw. */
function seenBy(answer: string): Record<string, string> {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  return JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)) as Record<string, string>;
}

describe('the address of a client', () => {
  const said = ['X-Forwarded-For: 198.51.100.1, 203.0.113.9', 'X-Forwarded-Proto: https', 'Forwarded: for=192.0.2.1', close];

  test('is that of its connection, whatever it says', async () => {
    const { port } = await startEcho();
    const seen = seenBy(await exchangeRaw(port, get('/', ...said)));
    expect(seen).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-port': `${port}` });
    expect(seen['forwarded']).toBeUndefined();
  });

  test('is what a trusted proxy says', async () => {
    const { port } = await startEcho({ trustedProxies: ['127.0.0.0/8'] });
    const seen = seenBy(await exchangeRaw(port, get('/', ...said)));
    expect(seen).toMatchObject({ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' });
  });

  test.each([
    ['version 1', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.2 5555 443\r\n')],
    [
      'version 2',
      Buffer.concat([
        Buffer.from('\r\n\r\n\0\r\nQUIT\n'),
        Buffer.from([0x21, 0x11, 0, 12]),
        Buffer.from([203, 0, 113, 7, 192, 0, 2, 2, 0x15, 0xb3, 1, 187]),
      ]),
    ],
  ])('comes with a PROXY header of %s', async (_, header) => {
    const { port } = await startEcho({ trustedProxies: ['127.0.0.1'], proxyProtocol: true });
    const seen = seenBy(await exchangeRaw(port, header.toString('latin1') + get('/', close)));
    expect(seen).toMatchObject({ 'x-forwarded-for': '203.0.113.7', 'x-forwarded-port': '443' });
  });

  test('is not taken from a PROXY header of anybody else', async () => {
    const { port } = await startEcho({ trustedProxies: ['10.0.0.1'], proxyProtocol: true });
    expect(await exchangeRaw(port, `PROXY TCP4 203.0.113.7 192.0.2.2 5555 443\r\n${get('/', close)}`)).toMatch(/^HTTP\/1\.1 (400|505) /);
  });

  test('must come with a PROXY header where a trusted proxy speaks it', async () => {
    const { port } = await startEcho({ trustedProxies: ['127.0.0.1'], proxyProtocol: true });
    expect(await exchangeRaw(port, get('/', close))).toBe('');
  });
});

describe('x-tenantd-context', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const keys = [{ id: 'first', privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64') }];

  async function startWithKeys(): Promise<EdgeUnderTest> {
    const edge = await startEcho();
    edge.edge.contextTokens.setKeys(keys);
    return edge;
  }

  test('tells tenant, app and host, and can be checked with the published keys', async () => {
    const edge = await startWithKeys();
    edge.route({ hosts: [hostRoute(`*.${host}`)] });
    const shop = (text: string): string => text.replace(host, `shop.${host}`);
    const token = seenBy(await exchangeRaw(edge.port, shop(get('/', 'X-Tenantd-Context: forged', close))))['x-tenantd-context'] ?? '';
    const published = await exchangeRaw(edge.port, shop(get('/.well-known/tenantd/jwks.json', close)));
    expect(published).toMatch(/content-type: application\/jwk-set\+json\r\n/);
    const [key] = (seenBy(published) as unknown as { keys: { kid: string }[] }).keys;
    const [header = '', claims = '', signature = ''] = token.split('.');
    const read = (part: string): Record<string, unknown> =>
      JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
    expect(read(header)).toMatchObject({ alg: 'EdDSA', kid: key?.kid });
    expect(read(claims)).toMatchObject({ iss: 'tenantd', aud: `${tenant}/site`, tenant, app: 'site', host: `shop.${host}` });
    expect(Number(read(claims)['exp']) - Number(read(claims)['iat'])).toBe(60);
    const publicKey = createPublicKey({ key: key as never, format: 'jwk' });
    expect(verify(null, Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  test('is signed once for many requests', async () => {
    const { port } = await startWithKeys();
    const answers = [await exchangeRaw(port, get('/', close)), await exchangeRaw(port, get('/', close))];
    const [one, two] = answers.map((answer) => seenBy(answer)['x-tenantd-context']);
    expect(one).toBe(two);
  });
});
