import { describe, expect, test } from 'vitest';
import { challengesOf } from '../../../src/config/acme-rules.ts';
import type { AcmeSettings } from '../../../src/config/acme-schema.ts';
import { type DaemonConfig, parseDaemonConfig } from '../../../src/config/daemon-config.ts';

const https = 'https: {}\n';
const directory = 'https://acme.example/directory';

function configOf(acme: string, rest = https): DaemonConfig {
  const { config, problems } = parseDaemonConfig(`${rest}acme: ${acme}\n`, 'f');
  if (!config || problems.length > 0) throw new Error(problems[0]?.message);
  return config;
}

const acmeOf = (acme: string): AcmeSettings | undefined => configOf(acme).acme;
const problemsOf = (acme: string, rest = https): object[] =>
  parseDaemonConfig(`${rest}acme: ${acme}\n`, 'f').problems.map(({ code, message, line }) => ({ code, message, line }));

describe('acme', () => {
  test('needs a directory, and nothing else', () => {
    expect(acmeOf(`{ directories: ["${directory}"] }`)).toEqual({ directories: [{ url: directory }], resolvers: [], publicAddresses: [] });
  });

  test('takes directories with what their CA wants, in order', () => {
    const eab = '{ keyId: kid-1, macKeyFile: /etc/tenantd/eab.key }';
    expect(
      acmeOf(`{ directories: [{ url: "${directory}", profile: shortlived }, { url: "${directory}/2", eab: ${eab} }] }`)?.directories,
    ).toEqual([
      { url: directory, profile: 'shortlived' },
      { url: `${directory}/2`, eab: { keyId: 'kid-1', macKeyFile: '/etc/tenantd/eab.key' } },
    ]);
  });

  test('takes resolvers, public addresses, a hook and a name server', () => {
    const rfc2136 = '{ server: "127.0.0.1:5353", zone: Acme.Example., keyName: tenantd-key, keyFile: /etc/tenantd/tsig.key }';
    const rest = `resolvers: ["127.0.0.1:8053", "::1"], publicAddresses: [203.0.113.7], dnsHook: [/opt/dns/hook, "-v"], rfc2136: ${rfc2136}`;
    expect(acmeOf(`{ directories: ["${directory}"], email: ops@acme.example, caFile: /etc/ca.pem, ${rest} }`)).toMatchObject({
      resolvers: [
        { host: '127.0.0.1', port: 8_053 },
        { host: '::1', port: 53 },
      ],
      publicAddresses: ['203.0.113.7'],
      dnsHook: ['/opt/dns/hook', '-v'],
      rfc2136: {
        server: { host: '127.0.0.1', port: 5_353 },
        zone: 'acme.example',
        keyName: 'tenantd-key',
        keyFile: '/etc/tenantd/tsig.key',
      },
    });
  });

  test.each([
    ['{}', '`acme.directories` is missing'],
    ['{ directories: ["http://acme.example"] }', '`acme.directories[0]` must be an https address, not "http://acme.example"'],
    [`{ directories: [{ url: "${directory}", eab: { keyId: a } }] }`, '`acme.directories[0].eab.macKeyFile` is missing'],
    [`{ directories: [{ url: "${directory}", hmac: x }] }`, 'there is no key "hmac" in `acme.directories[0]`'],
    [`{ directories: ["${directory}"], challenges: [dns-01] }`, '`acme.challenges[0]` must be one of http-01, tls-alpn-01, not "dns-01"'],
    [`{ directories: ["${directory}"], rfc2136: { server: "[::1]:53", keyFile: /k } }`, '`acme.rfc2136.keyName` is missing'],
    [
      `{ directories: ["${directory}"], dnsHook: [hook] }`,
      '`acme.dnsHook` must begin with the absolute path of a program, in a folder of its own',
    ],
    [
      `{ directories: ["${directory}"], dnsHook: [/hook] }`,
      '`acme.dnsHook` must begin with the absolute path of a program, in a folder of its own',
    ],
    [
      `{ directories: ["${directory}"], dnsHook: [/opt/../hook] }`,
      '`acme.dnsHook` must begin with the absolute path of a program, in a folder of its own',
    ],
  ])('%s is refused: %s', (text, message) => {
    expect(problemsOf(text)).toMatchObject([{ message, line: 2 }]);
  });

  test('without https has nobody to serve', () => {
    expect(problemsOf(`{ directories: ["${directory}"] }`, 'http: {}\n')).toMatchObject([{ code: 'TENANTD_E_MISSING_KEY', line: 2 }]);
  });

  const elsewhere = 'http: { listen: ["[::]:8080"] }\nhttps: { listen: ["[::]:8443"] }\n';

  test('without a port that CAs ask, or another way, proves nothing', () => {
    expect(problemsOf(`{ directories: ["${directory}"] }`, elsewhere)).toMatchObject([{ code: 'TENANTD_E_INVALID_VALUE', line: 3 }]);
    for (const way of ['dnsHook: [/opt/dns/hook]', 'challenges: [http-01]', 'rfc2136: { server: "::1", keyName: k, keyFile: /k }'])
      expect(configOf(`{ directories: ["${directory}"], ${way} }`, elsewhere).acme).toBeDefined();
  });
});

test.each([
  ['http: {}\nhttps: {}\n', '', ['http-01', 'tls-alpn-01']],
  ['http: { listen: ["[::]:8080"] }\nhttps: {}\n', '', ['tls-alpn-01']],
  ['http: {}\nhttps: { listen: ["[::]:8443"] }\n', '', ['http-01']],
  ['http: {}\nhttps: {}\n', ', challenges: [tls-alpn-01, http-01]', ['tls-alpn-01', 'http-01']],
  ['http: {}\nhttps: {}\n', ', challenges: [], dnsHook: [/opt/dns/hook]', []],
])('with %j%s CAs are asked to look by %j', (rest, more, expected) => {
  expect(challengesOf(configOf(`{ directories: ["${directory}"]${more} }`, rest))).toEqual(expected);
});
