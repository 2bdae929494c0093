import { z } from 'zod';
import { parseIp, parseResolver } from './addresses.ts';
import { parseDomainName } from './domain-name.ts';
import { absolutePath } from './path-values.ts';
import { line, type Parsed, textAs } from './values.ts';

const httpsUrl = textAs(parseHttpsUrl, 'An ACME directory', 'https://acme.example/directory');

function parseHttpsUrl(text: string): Parsed<string> {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return { value: text };
  return { fault: { message: 'must be an https address', fix: 'write it like "https://acme.example/directory"' } };
}

const directoryEntry = z.strictObject({
  url: httpsUrl,
  eab: z
    .strictObject({
      keyId: line(1_024, 'The key id that the CA gave you'),
      macKeyFile: absolutePath('The MAC key in base64url, in a file that root alone can read', '/etc/tenantd/eab.key'),
    })
    .exactOptional()
    .meta({ description: 'External account binding (RFC 8555, 7.3.4)' }),
  profile: line(64, "One of the CA's certificate profiles").exactOptional(),
});

const directory = z.union([httpsUrl.transform((url): z.infer<typeof directoryEntry> => ({ url })), directoryEntry]);

/** Where a CA can look, in order of preference. */
const challenges = z.array(z.enum(['http-01', 'tls-alpn-01'])).max(2);

/** `acme` of tenantd.yaml (INTERFACE 3). Secrets are in files of their own. */
export const acmeSchema = z.strictObject({
  directories: z.array(directory).min(1).max(8),
  email: line(254, "The account's contact").exactOptional(),
  caFile: absolutePath('Whom to trust for the directory itself', '/etc/tenantd/acme-ca.pem').exactOptional(),
  resolvers: z
    .array(textAs(parseResolver, 'A DNS resolver for checks', '127.0.0.1:8053'))
    .max(8)
    .default([]),
  publicAddresses: z
    .array(textAs(parseIp, 'What a domain must point to', '203.0.113.7'))
    .max(64)
    .default([]),
  challenges: challenges.exactOptional().meta({ description: 'Default: those whose port, 80 or 443, is listened on' }),
  dnsHook: z.array(line(1_024, 'A program and its arguments')).min(1).max(32).exactOptional(),
  rfc2136: z
    .strictObject({
      server: textAs(parseResolver, "The zone's primary server", '127.0.0.1:53'),
      zone: textAs(parseDomainName, 'The zone to update; default: found out', 'acme.example').exactOptional(),
      keyName: textAs(parseDomainName, 'The name of the TSIG key', 'tenantd-key'),
      keyFile: absolutePath(
        'The key, as tsig-keygen prints it or its secret alone, in a file that root alone can read',
        '/etc/tenantd/tsig.key',
      ),
    })
    .exactOptional()
    .meta({ description: 'dns-01 by dynamic updates (RFC 2136); goes before dnsHook' }),
});

export type AcmeSettings = z.infer<typeof acmeSchema>;
