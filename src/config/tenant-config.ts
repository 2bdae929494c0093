import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { nearest } from './nearest.ts';
import { findNotCarriedOut, type NotYet } from './not-carried-out.ts';
import { placed, placeOf } from './placed.ts';
import { applyLimits, type Plan, starterPlan } from './plans.ts';
import { listSome } from './quote.ts';
import { checkSchema } from './schema-problems.ts';
import { type TenantDomain, type TenantFile, tenantSchema } from './tenant-schema.ts';
import { parseYaml, type Position, type YamlSource } from './yaml-source.ts';

export type { TenantDomain } from './tenant-schema.ts';

/** tenant.yaml with its defaults filled in. Sizes in bytes, times in ms. */
export interface TenantConfig {
  domains: TenantDomain[];
  plan: string;
  /** The plan with the tenant's own limits over it. */
  limits: Plan;
  idleMs: number | 'never';
  tls: { redirect: boolean; hstsSeconds: number; files?: CertificateFiles };
  egress: TenantFile['network']['egress'];
  grants: TenantFile['grants'];
  branding: TenantFile['branding'];
  schedules: TenantFile['schedules'];
}

/** A certificate of the operator's own, and where tenant.yaml says so. */
export interface CertificateFiles extends Position {
  certificate: string;
  key: string;
}

export interface TenantConfigResult {
  /** Absent when the file breaks a rule; what is only not carried out yet leaves it here. */
  config?: TenantConfig;
  /** Where each domain is listed, for problems that show only beside other tenants. */
  positions: ReadonlyMap<string, Position>;
  problems: Problem[];
}

export interface TenantContext {
  tenant: TenantName;
  /** Undefined: not known here, any name will do (`tenantctl check` on a folder without tenantd.yaml). */
  plans: ReadonlyMap<string, Plan> | undefined;
  defaultPlan: string;
}

export function parseTenantConfig(text: string, file: string, context: TenantContext): TenantConfigResult {
  const { config, source, problems } = parse(text, file, context);
  const ofTenant = problems.map((problem) => placed(problem, { tenant: context.tenant }));
  if (!config) return { positions: new Map(), problems: ofTenant };
  const positions = new Map(config.domains.map(({ name }, index) => [name, source.positionOf(['domains', index])]));
  return { config, positions, problems: ofTenant };
}

type Parsed =
  | { config: TenantConfig; source: YamlSource; problems: Problem[] }
  | { config?: undefined; source?: undefined; problems: Problem[] };

function parse(text: string, file: string, context: TenantContext): Parsed {
  const { source, problems: yamlProblems } = parseYaml(text, file);
  if (!source) return { problems: yamlProblems };
  const { value, problems } = checkSchema(tenantSchema, source);
  if (!value) return { problems };
  const broken = rules.flatMap((rule) => rule(value, source, context));
  if (broken.length > 0) return { problems: broken };
  return { config: resolve(value, source, context), source, problems: findNotCarriedOut(source, notYet) };
}

function resolve(file: TenantFile, source: YamlSource, { plans, defaultPlan }: TenantContext): TenantConfig {
  const plan = file.plan ?? defaultPlan;
  const { domains, grants, branding, schedules } = file;
  const limits = applyLimits(plans?.get(plan) ?? starterPlan, file.limits);
  const tls = resolveTls(file, source);
  return { domains, plan, limits, idleMs: file.idle, tls, egress: file.network.egress, grants, branding, schedules };
}

function resolveTls({ tls: { redirect, hsts, certificate, key } }: TenantFile, source: YamlSource): TenantConfig['tls'] {
  const files = certificate !== undefined && key !== undefined && { certificate, key, ...source.positionOf(['tls', 'certificate']) };
  return { redirect, hstsSeconds: hsts, ...(files && { files }) };
}

type Rule = (file: TenantFile, source: YamlSource, context: TenantContext) => Problem[];

/** Rules that compare several values. */
const rules: Rule[] = [hasKnownPlan, listsDomainsOnce, redirectsToItself, hasWholeGrants, hasKeyForCertificate];

function hasKnownPlan({ plan }: TenantFile, source: YamlSource, { plans, defaultPlan }: TenantContext): Problem[] {
  const name = plan ?? defaultPlan;
  if (!plans || plans.has(name)) return [];
  const meant = nearest(name, [...plans.keys()]);
  const fix = meant ? `did you mean \`${meant}\`?` : `use one of ${listSome([...plans.keys()], 10)}, or define it in tenantd.yaml`;
  return [{ code: 'TENANTD_E_UNKNOWN_PLAN', message: `there is no plan "${name}"`, fix, ...placeOf(source, ['plan']) }];
}

function listsDomainsOnce({ domains }: TenantFile, source: YamlSource): Problem[] {
  const seen = new Set<string>();
  return domains.flatMap(({ name }, index): Problem[] => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    const message = `the domain "${name}" is listed twice`;
    return [{ code: 'TENANTD_E_DUPLICATE_DOMAIN', message, fix: 'list it once', ...placeOf(source, ['domains', index]) }];
  });
}

function redirectsToItself({ domains }: TenantFile, source: YamlSource): Problem[] {
  const served = new Set(domains.filter(({ redirectTo }) => redirectTo === undefined).map(({ name }) => name));
  return domains.flatMap(({ redirectTo }, index): Problem[] => {
    if (redirectTo === undefined || served.has(redirectTo)) return [];
    return [
      {
        code: 'TENANTD_E_REDIRECT_TARGET',
        message: `"${redirectTo}" is no domain that this tenant serves`,
        fix: `list it under \`domains\`, without a redirect of its own`,
        ...placeOf(source, ['domains', index, 'redirectTo']),
      },
    ];
  });
}

function hasWholeGrants({ grants }: TenantFile, source: YamlSource): Problem[] {
  return grants.flatMap(({ app, path, access }, index): Problem[] => {
    if ((app === undefined) !== (path === undefined) && (app !== undefined) === (access === 'http')) return [];
    const message = 'a grant is either an `app` with access http, or the `path` /data/shared with access read';
    return [{ code: 'TENANTD_E_INVALID_VALUE', message, fix: 'write one of the two', ...placeOf(source, ['grants', index]) }];
  });
}

function hasKeyForCertificate({ tls }: TenantFile, source: YamlSource): Problem[] {
  if ((tls.certificate === undefined) === (tls.key === undefined)) return [];
  const missing = tls.key === undefined ? 'key' : 'certificate';
  return [
    { code: 'TENANTD_E_MISSING_KEY', message: `\`tls.${missing}\` is missing`, fix: 'give both, or neither', ...placeOf(source, ['tls']) },
  ];
}

const notYet: readonly NotYet[] = [
  { path: ['branding', 'errorPages'], message: '`branding.errorPages` is read but not carried out yet: error pages are the plain ones' },
];
