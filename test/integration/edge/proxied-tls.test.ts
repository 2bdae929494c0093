import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.ts';
import { type EdgeUnderTest, host, startEdge, tenant } from './edge-under-test.ts';

const headerFor = (address: string): string => `PROXY TCP4 ${address} 192.0.2.2 5555 443\r\n`;

async function startEcho(): Promise<EdgeUnderTest> {
  const edge = await startEdge({}, { trustedProxies: ['127.0.0.1'], proxyProtocol: true });
  edge.edge.certificates.set({ tenant, id: 'one', ...makeCertificate([host]) }, Date.now());
  await edge.http('one', (request, response) => void response.end(`${String(request.headers['x-forwarded-for'])};`));
  return edge;
}

/** Writes the header, in pieces, and then begins TLS on the same connection. */
async function connectThroughProxy(port: number, pieces: readonly string[]): Promise<TLSSocket> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  for (const piece of pieces) await new Promise((resolve) => void socket.write(piece, resolve));
  const secure = connectTls({ socket, servername: host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  onTestFinished(() => void secure.destroy());
  await once(secure, 'secureConnect');
  return secure;
}

async function ask(secure: TLSSocket): Promise<string> {
  secure.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  let answer = '';
  while (!answer.endsWith(';')) answer += String((await once(secure, 'data'))[0]);
  return answer.slice(answer.lastIndexOf('\n') + 1);
}

test.each([
  ['at once', [headerFor('203.0.113.7')]],
  ['byte by byte', headerFor('203.0.113.7').split('')],
])('TLS begins after a PROXY header that came %s', async (_, pieces) => {
  const { securePort } = await startEcho();
  const secure = await connectThroughProxy(securePort, pieces);
  expect([await ask(secure), await ask(secure)]).toEqual(['203.0.113.7;', '203.0.113.7;']);
});

test('TLS begins in the same piece as the PROXY header ends', async () => {
  const { securePort } = await startEcho();
  const socket = connect(securePort, '127.0.0.1');
  await once(socket, 'connect');
  socket.cork();
  socket.write(headerFor('203.0.113.7'));
  const secure = connectTls({ socket, servername: host, rejectUnauthorized: false });
  onTestFinished(() => void secure.destroy());
  socket.uncork();
  await once(secure, 'secureConnect');
  expect(await ask(secure)).toBe('203.0.113.7;');
});

test('each connection of a proxy has a client of its own', async () => {
  const { securePort } = await startEcho();
  const clients = Array.from({ length: 20 }, (_, index) => `203.0.113.${index}`);
  const connections = await Promise.all(clients.map((address) => connectThroughProxy(securePort, [headerFor(address)])));
  expect(await Promise.all(connections.map(ask))).toEqual(clients.map((address) => `${address};`));
});
