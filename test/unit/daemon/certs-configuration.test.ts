import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type DaemonConfig, parseDaemonConfig } from '../../../src/config/daemon-config.ts';
import { readCertsConfiguration } from '../../../src/daemon/certs-configuration.ts';
import { temporaryFolder } from './temporary-folder.ts';

function configOf(text: string): DaemonConfig {
  const { config, problems } = parseDaemonConfig(`https: {}\n${text}`, 'f');
  if (!config) throw new Error(problems[0]?.message);
  return config;
}

function put(name: string, text: string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
}

describe.runIf(process.getuid?.() === 0)('what the process for certificates is told', () => {
  test('is to use the local CA, without acme', async () => {
    expect(await readCertsConfiguration(configOf(''), 'f')).toEqual({ configuration: {}, problems: [] });
  });

  test('has everything that acme says, in the form of the protocol', async () => {
    const [ca, eab, tsig] = [put('ca.pem', 'PEM'), put('eab', 'bWFjLWtleS1tYWMta2V5'), put('tsig', 'dHNpZy10c2lnLXRzaWc=')];
    const acme = [
      `directories: [{ url: "https://one.example/", profile: short, eab: { keyId: kid, macKeyFile: ${eab} } }, "https://two.example/"]`,
      `email: ops@acme.example`,
      `caFile: ${ca}`,
      `resolvers: ["127.0.0.1:8053", "::1"]`,
      `publicAddresses: [203.0.113.7]`,
      `dnsHook: [/bin/true, now]`,
      `rfc2136: { server: "[::1]:5353", zone: acme.example, keyName: key, keyFile: ${tsig} }`,
    ];
    const { configuration, problems } = await readCertsConfiguration(configOf(`acme:\n${acme.map((line) => `  ${line}\n`).join('')}`), 'f');
    expect(problems).toEqual([]);
    expect(configuration).toEqual({
      acme: {
        directories: [
          { url: 'https://one.example/', profile: 'short', eab: { keyId: 'kid', macKey: 'bWFjLWtleS1tYWMta2V5' } },
          { url: 'https://two.example/' },
        ],
        email: 'ops@acme.example',
        caPem: 'PEM',
        resolvers: ['127.0.0.1:8053', '[::1]:53'],
        publicAddresses: ['203.0.113.7'],
        challenges: ['http-01', 'tls-alpn-01'],
        dnsHook: ['/bin/true', 'now'],
        rfc2136: { server: '[::1]:5353', zone: 'acme.example', keyName: 'key', keySecret: 'dHNpZy10c2lnLXRzaWc=' },
      },
    });
  });

  test('is nothing when a file can not be used: the local CA is no stand-in', async () => {
    const config = configOf('acme: { directories: ["https://one.example/"], caFile: /nonexistent/ca.pem }\n');
    expect(await readCertsConfiguration(config, 'f')).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_MISSING' }] });
    expect((await readCertsConfiguration(config, 'f')).configuration).toBeUndefined();
  });
});
