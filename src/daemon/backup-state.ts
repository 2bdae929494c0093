import { isUtf8 } from 'node:buffer';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import { isReleaseId, localRelease } from '../base/release-ids.ts';
import { appManifestSchema } from '../config/app-manifest.ts';
import { readPlainFileNow } from '../config/plain-file.ts';
import { limits } from '../config/scan.ts';
import { maxSecretBytes, parseSecretName } from '../config/secret-values.ts';
import { readTree } from '../privileged/operator-trees.ts';
import type { Paths } from './paths.ts';
import { currentOf, knownReleases } from './release-place.ts';
import { seal, unseal } from './secret-seal.ts';
import type { SecretVault } from './secret-vault.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/**
 * What a tenant is, beside its files: configuration, releases, and what operators made of it. Owners are names of apps here, never uids. As it
 * is read back it is anybody's.
 */
const app = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/) as unknown as z.ZodType<AppName>;
const text = z.string().max(4_096);
const count = z.int().min(0);
const bytes = z.base64().max(16 << 20);
const path = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}){0,15}$/);
const releaseId = z.string().refine(isReleaseId);
const current = z.string().refine((id) => id === localRelease || isReleaseId(id));

const release = z.strictObject({
  ...{ id: releaseId, createdAt: text, createdBy: text, bytes: count, files: count },
  manifest: appManifestSchema.nullable().catch(null),
  ...{ switchedAt: text.exactOptional(), previous: text.exactOptional(), failure: text.exactOptional() },
});

const stateSchema = z.strictObject({
  format: z.literal(1),
  /** By chance: what is sealed in one backup opens in no other. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  tenant: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  tenantYaml: z.string().min(1).max(limits.fileBytes),
  /** In its folder: its certificate, its error pages. */
  files: z.array(z.strictObject({ path, content: bytes, executable: z.boolean() })).max(1_000),
  /** Of its certificate. */
  key: z.strictObject({ path, sealed: bytes }).exactOptional(),
  /** By number: the tenant's own user, then apps that have, or had, data. */
  owners: z
    .array(z.union([z.literal(''), app]))
    .min(1)
    .max(250),
  apps: z
    .array(
      z.strictObject({
        ...{ app, current, releases: z.array(release).max(1_000) },
        ...{ stopped: z.boolean(), workers: z.int().min(1).max(64).exactOptional() },
      }),
    )
    .max(limits.apps),
  schedules: z.array(z.strictObject({ app, name: app, timing: text, handledMs: count })).max(10_000),
  secrets: z.array(z.strictObject({ app: z.union([z.literal(''), app]), name: text, sealed: bytes })).max(1_000),
  /** It was read while apps wrote. */
  isLive: z.boolean(),
  leftOut: z.array(text).max(100),
});
export type BackupState = z.infer<typeof stateSchema>;

export const maxStateBytes = 32 << 20;
/** JSON of nothing but brackets takes forty times as much memory. */
const maxStateValues = 1_000_000;

/** Throws TENANTD_E_BACKUP for what is no state of a tenant. */
export function parseState(json: Buffer): BackupState {
  if (json.length > maxStateBytes || hasMoreValues(json, maxStateValues)) throw badBackup('what it says of its tenant is too much');
  const parsed = stateSchema.safeParse(parseJson(json));
  if (!parsed.success) throw badBackup(`what it says of its tenant can not be used: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  const state = parsed.data;
  const [first, ...others] = state.owners;
  if (first !== '' || others.includes('') || new Set(others).size < others.length) throw badBackup('its users are in disorder');
  const apps = state.apps.map((entry) => entry.app);
  if (new Set(apps).size < apps.length || !apps.every((name) => others.includes(name))) throw badBackup('its apps are in disorder');
  const isWhole = state.apps.every((entry) => entry.current === localRelease || entry.releases.some(({ id }) => id === entry.current));
  if (!isWhole) throw badBackup('a release that serves is missing');
  return state;
}

export function badBackup(message: string): TenantdError {
  return new TenantdError('TENANTD_E_BACKUP', message, 'nothing was changed: use a backup that is whole');
}

function parseJson(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
}

function hasMoreValues(json: Buffer, most: number): boolean {
  let count = 0;
  // Of a value that is in an array, or in an object.
  for (const byte of json) if (byte === 0x2c || byte === 0x5b || byte === 0x7b) count += 1;
  return count > most;
}

export interface StateParts {
  store: Store;
  paths: Paths;
  vault: SecretVault;
}

/** `secretsKey`: what is secret is sealed with it. Throws TENANTD_E_PASSPHRASE when there is none, and something is. */
export async function describeTenant(
  { store, paths, vault }: StateParts,
  tenant: Tenant,
  order: { id: string; owners: readonly (AppName | '')[]; isLive: boolean; secretsKey: Buffer | undefined; withKey: boolean },
): Promise<BackupState> {
  const { name, picture } = tenant;
  const { id, owners, isLive, secretsKey, withKey } = order;
  const leftOut: string[] = [];
  const sealed = (value: Buffer, ...of: string[]): string =>
    seal(keyFor(name, secretsKey), value, ['backup', id, ...of]).toString('base64');
  const apps = (picture.desired()?.apps ?? []).map((folder) => appState(store, paths, name, folder.app));
  const pages = await readPages(tenant, paths.tenantDirOf(name), leftOut);
  const { files, key } = readCertificateFiles(tenant, paths.tenantDirOf(name), leftOut, withKey ? (pem) => sealed(pem, 'key') : undefined);
  return {
    ...{ format: 1, id, tenant: name, tenantYaml: store.configTextOf(name) ?? '' },
    ...{ files: [...files, ...pages], ...(key && { key }), owners: [...owners], apps, isLive, leftOut },
    schedules: store.schedules
      .of(name)
      .map((row) => ({ app: row.app, name: row.name as AppName, timing: row.timing, handledMs: row.handledMs })),
    secrets: vault.reveal(name, (secrets) =>
      secrets.map((secret) => ({ app: secret.app, name: secret.name, sealed: sealed(secret.value, 'secret', secret.app, secret.name) })),
    ),
  };
}

function keyFor(tenant: TenantName, key: Buffer | undefined): Buffer {
  if (key) return key;
  const message = `${tenant} has secrets, or a key of its own: they are never written in the clear`;
  throw new TenantdError('TENANTD_E_PASSPHRASE', message, 'give a passphrase: on a terminal it is asked for, else --passphrase-file');
}

/** As it was sealed. Throws TENANTD_E_BACKUP with another key, or when it was changed. */
export function openSealed(state: BackupState, key: Buffer | undefined, sealed: string, ...of: string[]): Buffer {
  const value = key && unseal(key, Buffer.from(sealed, 'base64'), ['backup', state.id, ...of]);
  if (value) return value;
  throw badBackup('its secrets can not be opened: they were sealed with another passphrase, or changed');
}

/** As `secret set` would take it: its name is a file's, too, and its value must not hold another one. */
export function openSecret(
  state: BackupState,
  key: Buffer | undefined,
  { app: scope, name, sealed }: BackupState['secrets'][number],
): { app: AppName | ''; name: string; value: Buffer } {
  const value = openSealed(state, key, sealed, 'secret', scope, name);
  const isValue = value.length > 0 && value.length <= maxSecretBytes && !value.includes(0) && isUtf8(value);
  if (isValue && 'value' in parseSecretName(name)) return { app: scope, name, value };
  throw badBackup(`a secret ${JSON.stringify(name.slice(0, 64))} can be none`);
}

function appState(store: Store, paths: Paths, tenant: TenantName, name: AppName): BackupState['apps'][number] {
  const place = { tenant, app: name, dir: paths.appDirOf(tenant, name), uid: 0 };
  const workers = store.lifecycle.scaleOf(tenant, name);
  return {
    ...{ app: name, current: currentOf(place), stopped: store.lifecycle.isStopped(tenant, name) },
    releases: knownReleases(store, place).map((row) => ({ ...row, manifest: appManifestSchema.safeParse(row.manifest).data ?? null })),
    ...(workers !== undefined && { workers }),
  };
}

const pagesLimits = { files: 500, bytes: 8 << 20 };

/** What tenant.yaml names in its folder. What can't be had is told; it is the operator's to mend. */
function readCertificateFiles(
  { picture }: Tenant,
  dir: string,
  leftOut: string[],
  sealKey: ((key: Buffer) => string) | undefined,
): Pick<BackupState, 'files' | 'key'> {
  const { tls } = picture.desired()?.config ?? {};
  const files: BackupState['files'] = [];
  let key: BackupState['key'];
  const read = (file: string): Buffer | undefined => {
    if (isAbsolute(file) || !path.safeParse(file).success) return void leftOut.push(`${file}: it is not in the tenant's folder`);
    const { text: content, problem } = readPlainFileNow(`${dir}/${file}`, { maxBytes: limits.fileBytes });
    if (problem) leftOut.push(`${file}: ${problem.message}`);
    return content === undefined ? undefined : Buffer.from(content);
  };
  if (tls?.files) {
    const [chain, pem] = [read(tls.files.certificate), sealKey && read(tls.files.key)];
    if (!sealKey) leftOut.push(`${tls.files.key}: it is the operator's`);
    if (chain) files.push({ path: tls.files.certificate, content: chain.toString('base64'), executable: false });
    if (pem && sealKey) key = { path: tls.files.key, sealed: sealKey(pem) };
  }
  return { files, ...(key && { key }) };
}

/** Its error pages. */
async function readPages({ picture }: Tenant, dir: string, leftOut: string[]): Promise<BackupState['files']> {
  const pages = picture.desired()?.config.branding.errorPages?.replace(/\/+$/, '');
  if (pages === undefined) return [];
  try {
    const files = (await readTree(`${dir}/${pages}`, pagesLimits)).map((file) => ({
      path: `${pages}/${file.path}`,
      content: Buffer.from(file.content).toString('base64'),
      executable: file.executable,
    }));
    const unfit = files.filter((file) => !path.safeParse(file.path).success);
    if (unfit[0]) leftOut.push(`${unfit[0].path.slice(0, 500)}: its name has more than letters, digits, ".", "_" and "-"`);
    return files.filter((file) => !unfit.includes(file));
  } catch (error) {
    leftOut.push(`${pages}: ${messageOf(error)}`.slice(0, 500));
    return [];
  }
}
