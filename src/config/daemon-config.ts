import type { Problem } from '../base/problem.ts';
import { findAcmeFaults } from './acme-rules.ts';
import { type DaemonFile, daemonSchema, waivableLayers } from './daemon-schema.ts';
import { findNotCarriedOut, type NotYet } from './not-carried-out.ts';
import { listSome } from './quote.ts';
import { placed, placeOf } from './placed.ts';
import { readPlainFile } from './plain-file.ts';
import { type Plan, starterPlan } from './plans.ts';
import { checkSchema } from './schema-problems.ts';
import { parseYaml, type YamlSource } from './yaml-source.ts';

/** tenantd.yaml with its defaults filled in; sizes in bytes. */
export interface DaemonConfig extends Omit<DaemonFile, 'plans'> {
  plans: ReadonlyMap<string, Plan>;
}

export interface DaemonConfigResult {
  /** Absent when the file breaks a rule; what is only not carried out yet leaves it here. */
  config?: DaemonConfig;
  problems: Problem[];
}

const maxFileBytes = 1 << 20;

export async function loadDaemonConfig(file: string): Promise<DaemonConfigResult> {
  const { text, problem } = await readPlainFile(file, { maxBytes: maxFileBytes, followLink: true });
  return problem ? { problems: [problem] } : parseDaemonConfig(text, file);
}

export function parseDaemonConfig(text: string, file: string): DaemonConfigResult {
  const { source, problems: yamlProblems } = parseYaml(text, file);
  if (!source) return { problems: yamlProblems };
  const { value, problems } = checkSchema(daemonSchema, source);
  if (!value) return { problems };
  const config = resolve(value);
  const broken = rules.flatMap((rule) => rule(config, source));
  return broken.length > 0
    ? { problems: broken }
    : { config, problems: [...findNotCarriedOut(source, notYet), ...findVainWaivers(config, source)] };
}

function resolve({ plans, ...rest }: DaemonFile): DaemonConfig {
  const given = Object.entries(plans ?? {});
  return { ...rest, plans: new Map(given.length > 0 ? given : [['starter', starterPlan]]) };
}

type Rule = (config: DaemonConfig, source: YamlSource) => Problem[];

/** Rules that compare several keys. */
const rules: Rule[] = [hasDefaultPlan, hasRoomForUids, keepsFoldersApart, listensOnce, trustsWhoeverSpeaksProxy, findAcmeFaults];

/** Said aloud: an operator may count on it. */
function findVainWaivers({ isolation }: DaemonConfig, source: YamlSource): Problem[] {
  return isolation.without.flatMap((layer, index): Problem[] => {
    if (waivableLayers.includes(layer)) return [];
    const message = `no tenant runs without the layer "${layer}", whatever \`isolation.without\` says`;
    const fix = `take it out; ${listSome(waivableLayers)} can be missing`;
    return [{ code: 'TENANTD_E_NOT_SUPPORTED', message, fix, ...placeOf(source, ['isolation', 'without', index]) }];
  });
}

function hasDefaultPlan({ plans, defaultPlan }: DaemonConfig, source: YamlSource): Problem[] {
  if (plans.has(defaultPlan)) return [];
  const message = `\`defaultPlan\` is "${defaultPlan}", which \`plans\` does not define`;
  const fix = `set \`defaultPlan\` to one of ${listSome([...plans.keys()])}`;
  return [{ code: 'TENANTD_E_UNKNOWN_PLAN', message, fix, ...placeOf(source, ['defaultPlan']) }];
}

/** 65534 is `nobody`, 65535 and 2^32 - 1 mean "no uid" (chown(2)). */
function hasRoomForUids({ uids }: DaemonConfig, source: YamlSource): Problem[] {
  const end = uids.first + uids.count;
  if (end <= 65_534 || (uids.first > 65_535 && end < 2 ** 32 - 1)) return [];
  const message = `\`uids\` covers ${uids.first} to ${end - 1}, which holds uids that are reserved`;
  return [{ code: 'TENANTD_E_INVALID_VALUE', message, fix: 'keep 65534, 65535 and 4294967295 out of it', ...placeOf(source, ['uids']) }];
}

function keepsFoldersApart(config: DaemonConfig, source: YamlSource): Problem[] {
  const own = (['stateDir', 'runDir', 'logDir'] as const).map((key) => ({ key, folder: config[key] }));
  const inTenants = own.filter(({ folder }) => contains(config.tenantsDir, folder));
  const same = own.filter(({ folder }, index) => own.slice(0, index).some((other) => other.folder === folder));
  const fix = 'give it a folder of its own';
  return [...new Set([...inTenants, ...same])].map(({ key }) => {
    const message = `\`${key}\` lies in \`tenantsDir\`, or is the folder of another key`;
    return placed({ code: 'TENANTD_E_BAD_PATH', message, fix }, placeOf(source, [key]));
  });
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function listensOnce(config: DaemonConfig, source: YamlSource): Problem[] {
  const places = [
    ...config.http.listen.map((address, index) => ({ address, path: ['http', 'listen', index] })),
    ...(config.https?.listen ?? []).map((address, index) => ({ address, path: ['https', 'listen', index] })),
    ...(config.console ? [{ address: config.console.listen, path: ['console', 'listen'] }] : []),
    ...(config.metrics && 'host' in config.metrics.listen ? [{ address: config.metrics.listen, path: ['metrics', 'listen'] }] : []),
  ].map(({ address, path }) => ({ name: `${address.host} port ${address.port}`, path }));
  return places
    .filter(({ name }, index) => places.findIndex((other) => other.name === name) < index)
    .map(({ name, path }) => {
      const message = `${name} is there twice`;
      return placed({ code: 'TENANTD_E_INVALID_VALUE', message, fix: 'listen on each address once' }, placeOf(source, path));
    });
}

function trustsWhoeverSpeaksProxy({ edge }: DaemonConfig, source: YamlSource): Problem[] {
  if (!edge.proxyProtocol || edge.trustedProxies.length > 0) return [];
  const message = '`edge.proxyProtocol` is on, but `edge.trustedProxies` names nobody who may use it';
  const fix = 'list the addresses of your proxies there';
  return [{ code: 'TENANTD_E_MISSING_KEY', message, fix, ...placeOf(source, ['edge', 'proxyProtocol']) }];
}

/** What this version reads but does not carry out yet, where leaving it out silently would break a promise. */
const notYet: readonly NotYet[] = [{ path: ['console'], message: '`console` is read but not carried out yet: there is no console' }];
