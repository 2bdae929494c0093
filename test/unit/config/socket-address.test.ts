import { expect, test } from 'vitest';
import { parseSocketAddress } from '../../../src/config/socket-address.ts';

test.each([
  ['127.0.0.1:9701', { host: '127.0.0.1', port: 9_701 }],
  ['[::1]:9701', { host: '::1', port: 9_701 }],
  ['unix:/run/tenantd/metrics.sock', { path: '/run/tenantd/metrics.sock' }],
])('%s', (text, value) => {
  expect(parseSocketAddress(text)).toEqual({ value });
});

test.each(['9701', 'unix:metrics.sock', 'unix:/run/../etc/x', 'unix:', '127.0.0.1:0'])('%s is refused', (text) => {
  expect(parseSocketAddress(text)).toHaveProperty('fault');
});
