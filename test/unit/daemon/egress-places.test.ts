import { isIPv6 } from 'node:net';
import { describe, expect, test } from 'vitest';
import { assertFree, egressPlaces, gateway6Of, gatewayOf, placeOf } from '../../../src/daemon/egress-places.ts';

const places = egressPlaces('10.213.0.0/16', '/var/lib/tenantd');

describe("tenants' places", () => {
  test('are all different, and fit into what the kernel takes', () => {
    const all = Array.from({ length: 5_000 }, (_, number) => placeOf(places, number));
    for (const part of ['link', 'address4', 'address6'] as const) expect(new Set(all.map((place) => place[part])).size).toBe(all.length);
    expect(all.filter(({ link }) => link.length > 15)).toEqual([]);
    expect(all.filter(({ address6 }) => !isIPv6(address6))).toEqual([]);
    expect(all.some(({ address4 }) => address4 === places.gateway4)).toBe(false);
  });

  test('have addresses as the kernel writes them, since those that are there are compared with them', () => {
    const zeros = { ...places, pool6: 'fd0a:0bcd:0000::/64' };
    expect(placeOf(zeros, 0).address6).toBe('fd0a:bcd::2');
    expect(placeOf(zeros, 70_000 % 60_000).address6).toBe('fd0a:bcd::2712');
    expect(placeOf({ ...zeros, pool4: '10.0.0.0/8' }, 70_000).address6).toBe('fd0a:bcd::1:1172');
    expect(gateway6Of(zeros)).toBe('fd0a:bcd::1');
  });

  test('are in the block, without its first and last addresses', () => {
    expect(gatewayOf('10.213.0.0/16')).toBe('10.213.0.1');
    expect(placeOf(places, 0).address4).toBe('10.213.0.2');
    expect(placeOf(places, 254).address4).toBe('10.213.1.0');
    const small = egressPlaces('192.168.9.16/28', '/x');
    expect(placeOf(small, 12).address4).toBe('192.168.9.30');
    expect(() => placeOf(small, 13)).toThrow('has no address for this tenant');
    expect(() => placeOf(small, -1)).toThrow('has no address for this tenant');
  });

  test('of two daemons with different states have nothing in common but the block', () => {
    const other = egressPlaces('10.213.0.0/16', '/var/lib/another');
    expect([other.name, other.linkPrefix, other.pool6]).not.toEqual([places.name, places.linkPrefix, places.pool6]);
    expect(gateway6Of(other)).not.toBe(gateway6Of(places));
    expect(other.name.startsWith('tenantd-')).toBe(true);
  });
});

describe('a block for links', () => {
  test.each(['10.213.7.0/24', '10.213.0.0/16', '10.0.0.0/8', '10.213.0.5'])('is refused where the machine has a route to %s', (route) => {
    expect(() => assertFree(places, ['192.168.0.0/16', route])).toThrow(`has a route to ${route}`);
  });

  test('is free where the machine has only other routes, and ways out', () => {
    expect(() => assertFree(places, ['10.214.0.0/16', '127.0.0.0/8', '0.0.0.0/1', '128.0.0.0/1', '10.212.255.255'])).not.toThrow();
  });
});
