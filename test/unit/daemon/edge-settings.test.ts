import { expect, test } from 'vitest';
import { parseDaemonConfig } from '../../../src/config/daemon-config.ts';
import { toEdgeSettings } from '../../../src/daemon/edge-settings.ts';
import type { EdgeSettings } from '../../../src/protocol/edge.ts';

function settingsOf(text: string): EdgeSettings {
  const { config } = parseDaemonConfig(text, 'tenantd.yaml');
  if (!config) throw new Error(`broken: ${text}`);
  return toEdgeSettings(config);
}

test('without https the edge knows of no port to send plain http to', () => {
  expect(settingsOf('logs: {}')).toMatchObject({
    httpListeners: 1,
    httpsListeners: 0,
    processes: 1,
    trustedProxies: [],
    proxyProtocol: false,
  });
  expect(settingsOf('logs: {}')).not.toHaveProperty('httpsPort');
});

test('an edge is told of the sockets it inherits, the first port of https, and whom to trust', () => {
  const listen = 'http: { listen: ["[::]:80", "127.0.0.1:8080"] }\nhttps: { listen: ["[::]:443", "127.0.0.1:8443"] }\n';
  const edge = 'edge: { processes: 3, trustedProxies: [10.0.0.0/8], proxyProtocol: true }';
  expect(settingsOf(`${listen}${edge}`)).toMatchObject({
    ...{ httpListeners: 2, httpsListeners: 2, httpsPort: 443 },
    ...{ processes: 3, trustedProxies: ['10.0.0.0/8'], proxyProtocol: true },
  });
});
