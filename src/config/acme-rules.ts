import { posix } from 'node:path';
import type { Problem } from '../base/problem.ts';
import type { DaemonConfig } from './daemon-config.ts';
import { placeOf } from './placed.ts';
import type { YamlSource } from './yaml-source.ts';

type AddressChallenge = NonNullable<NonNullable<DaemonConfig['acme']>['challenges']>[number];

/** CAs connect to these ports (RFC 8555, 8.3; RFC 8737, 3), whatever stands between: then `acme.challenges` says so. */
export function challengesOf({ acme, http, https }: Pick<DaemonConfig, 'acme' | 'http' | 'https'>): AddressChallenge[] {
  if (acme?.challenges) return acme.challenges;
  const byHttp = http.listen.some(({ port }) => port === 80);
  const byTls = https?.listen.some(({ port }) => port === 443) ?? false;
  return [...(byHttp ? (['http-01'] as const) : []), ...(byTls ? (['tls-alpn-01'] as const) : [])];
}

/** What `acme` needs beside itself. */
export function findAcmeFaults(config: DaemonConfig, source: YamlSource): Problem[] {
  const { acme, https } = config;
  if (!acme) return [];
  return [
    ...(https ? [] : [withoutHttps(source)]),
    ...(challengesOf(config).length > 0 || acme.dnsHook || acme.rfc2136 ? [] : [withoutProof(source)]),
    ...(acme.dnsHook === undefined || isInFolder(acme.dnsHook[0] ?? '') ? [] : [badHook(source)]),
  ];
}

/** Its folder is shown to the process that runs it. */
function isInFolder(program: string): boolean {
  return posix.isAbsolute(program) && posix.normalize(program) === program && posix.dirname(program) !== '/';
}

function withoutHttps(source: YamlSource): Problem {
  const message = '`acme` is there, but `https` is not: nobody would be served a certificate';
  return { code: 'TENANTD_E_MISSING_KEY', message, fix: 'add `https: {}`, or remove `acme`', ...placeOf(source, ['acme']) };
}

function withoutProof(source: YamlSource): Problem {
  const message = 'a CA has no way to check a name: neither port 80 nor 443 is listened on, and dns-01 is not set up';
  const fix = 'listen there; or say in `acme.challenges` which of them leads here; or set `acme.dnsHook` or `acme.rfc2136`';
  return { code: 'TENANTD_E_INVALID_VALUE', message, fix, ...placeOf(source, ['acme']) };
}

function badHook(source: YamlSource): Problem {
  const message = '`acme.dnsHook` must begin with the absolute path of a program, in a folder of its own';
  const fix = 'write it like ["/etc/tenantd/hooks/dns"]; that folder is what the program sees of the machine, beside /usr';
  return { code: 'TENANTD_E_BAD_PATH', message, fix, ...placeOf(source, ['acme', 'dnsHook']) };
}
