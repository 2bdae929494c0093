import { describe, expect, test } from 'vitest';
import { clientFields, peerOf } from '../../../src/edge/client-address.ts';
import { createTrustedProxies } from '../../../src/edge/trusted-proxies.ts';

const proxies = createTrustedProxies(['10.0.0.0/8']);
const source = { address: '203.0.113.9', port: 4711 };
const destination = { address: '198.51.100.1', port: 8443 };

describe('the peer of a connection', () => {
  test('is known by its plain address', () => {
    const peer = peerOf({ remoteAddress: '::ffff:203.0.113.9', localPort: 8080 }, false, proxies);
    expect(peer).toEqual({ address: '203.0.113.9', proto: 'http', port: 8080, trusted: false });
  });

  test('is trusted when it is a proxy of ours', () => {
    expect(peerOf({ remoteAddress: '::ffff:10.0.0.1', localPort: 80 }, false, proxies).trusted).toBe(true);
  });

  test('comes by https over TLS', () => {
    expect(peerOf({ remoteAddress: '203.0.113.9', localPort: 8443 }, true, proxies)).toMatchObject({ proto: 'https', port: 8443 });
  });

  test('is nobody when it was gone at once', () => {
    const everybody = createTrustedProxies(['0.0.0.0/0', '::/0']);
    expect(peerOf({}, true, everybody)).toEqual({ address: 'unknown', proto: 'https', port: 443, trusted: false });
  });

  test('is whom the PROXY header names, at the port that it names', () => {
    const peer = peerOf({ remoteAddress: '10.0.0.1', localPort: 80 }, false, proxies, { source, destination, secure: true });
    expect(peer).toEqual({ address: '203.0.113.9', proto: 'https', port: 8443, trusted: false });
  });

  test('is trusted when the PROXY header names a proxy of ours', () => {
    const named = { source: { address: '10.2.2.2', port: 1 }, destination, secure: false };
    expect(peerOf({ remoteAddress: '10.0.0.1', localPort: 80 }, false, proxies, named)).toMatchObject({
      address: '10.2.2.2',
      trusted: true,
    });
  });

  test('is the proxy, and not trusted, when the PROXY header names nobody', () => {
    const peer = peerOf({ remoteAddress: '10.0.0.1', localPort: 80 }, false, proxies, { secure: false });
    expect(peer).toEqual({ address: '10.0.0.1', proto: 'http', port: 80, trusted: false });
  });
});

test('an app is told of its client in whole field lines', () => {
  expect(clientFields({ address: '203.0.113.9', proto: 'https', port: 443 })).toBe(
    'x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\nx-forwarded-port: 443\r\n',
  );
});
