import { z } from 'zod';
import { parseEgressTarget } from './addresses.ts';
import { parseDomainName } from './domain-name.ts';
import { parseOperatorPath, parseOwnFolder } from './path-values.ts';
import { limitsSchema } from './plans.ts';
import { durationBetween, line, parseDuration, planName, textAs, wholeNumber, type Parsed } from './values.ts';

/** Lower case, punycode; `*.` in front for all names below it. */
export interface TenantDomain {
  name: string;
  /** Requests are sent on to this domain of the same tenant. */
  redirectTo?: string;
  /** Routes that name this one are for `name`: as the tenant is a copy of one that has it. */
  insteadOf?: string;
}

const maxDomains = 5_000;

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a name of a-z, 0-9 and "-" that begins with a letter');
const domain = textAs(parseDomainName, 'A host name; "*." in front takes all names below it', 'acme.example');

function parseRedirectTarget(text: string): Parsed<string> {
  const parsed = parseDomainName(text);
  if (!('value' in parsed && parsed.value.startsWith('*.'))) return parsed;
  return { fault: { message: 'must be one domain, no wildcard', fix: 'name the domain to go to', code: 'TENANTD_E_REDIRECT_TARGET' } };
}

const domainEntry = z.union([
  domain.transform((text): TenantDomain => ({ name: text })),
  z.strictObject({
    name: domain,
    redirectTo: textAs(parseRedirectTarget, 'A domain of the same tenant', 'acme.example').exactOptional(),
    insteadOf: textAs(
      parseDomainName,
      "Routes of its apps that name this are for it: of a copy of another tenant's",
      'acme.example',
    ).exactOptional(),
  }),
]);

const grant = z.strictObject({
  to: name.meta({ description: 'The other tenant' }),
  app: name.exactOptional().meta({ description: 'An app that it may call' }),
  path: z
    .literal('/data/shared')
    .exactOptional()
    .meta({ description: 'What all apps of this tenant write: the other finds it in /shared' }),
  access: z.enum(['http', 'read']),
});

const idleTime = z.union([z.literal('never'), durationBetween('1s', '24d', 'How long without a request before an app sleeps')]);
const pem = (description: string): z.ZodType<string, string> => textAs(parseOperatorPath, description, 'certificate.pem');

/** Two years, which lists of preloaded hosts ask for at most. */
const maxHstsSeconds = 63_072_000;

function parseHsts(text: string): Parsed<number> {
  const parsed = parseDuration(text, maxHstsSeconds * 1_000);
  return 'value' in parsed ? { value: Math.floor(parsed.value / 1_000) } : parsed;
}

/** tenant.yaml (INTERFACE 3). */
export const tenantSchema = z
  .strictObject({
    domains: z.array(domainEntry).min(1).max(maxDomains).meta({ description: "The tenant's domains" }),
    plan: planName.exactOptional().meta({ description: 'A plan of tenantd.yaml; default: its defaultPlan' }),
    limits: limitsSchema.prefault({}),
    network: z
      .strictObject({
        egress: z
          .union([z.literal('any'), z.array(textAs(parseEgressTarget, 'host:port or block:port', 'api.stripe.com:443')).max(1_000)])
          .default([]),
      })
      .prefault({})
      .meta({ description: 'What apps may reach; default: nothing' }),
    grants: z.array(grant).max(1_000).default([]).meta({ description: 'What other tenants may use; default: nothing' }),
    tls: z
      .strictObject({
        redirect: z.boolean().default(true).meta({ description: 'http goes to https where there is a certificate' }),
        hsts: z
          .union([wholeNumber(0, maxHstsSeconds, 'Seconds; 0 sends no header'), textAs(parseHsts, 'A duration', '180d')])
          .default(0)
          .meta({ description: 'How long browsers are to use https only (RFC 6797)' }),
        certificate: pem('A certificate chain of your own, as PEM: in this folder, or an absolute path').exactOptional(),
        key: pem('Its key, as PEM, not encrypted').exactOptional(),
      })
      .prefault({}),
    branding: z
      .strictObject({
        name: line(80, 'Shown on error pages').exactOptional(),
        errorPages: textAs(parseOwnFolder, 'A folder with pages of your own', 'pages').exactOptional(),
      })
      .prefault({}),
    schedules: z.enum(['on', 'paused']).default('on').meta({ description: 'Whether schedules of its apps run by themselves' }),
    idle: idleTime.prefault('10m').meta({ description: 'How long without a request before an app sleeps; or never' }),
  })
  .meta({ title: 'tenant.yaml', description: 'One tenant of tenantd' });

export type TenantFile = z.infer<typeof tenantSchema>;
