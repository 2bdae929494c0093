import type {
  MachineKeyRotateResult,
  SecretChangeResult,
  SecretInfo,
  SecretListResult,
  SecretRotateResult,
} from '../protocol/secret-calls.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import { formatCount, formatDistance } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

interface Target {
  tenant: string;
  app?: string;
}

const indent = '  ';
const heads = ['NAME', 'FOR', 'SET', 'BY', 'DATA KEY'] as const;

/** `acme/site: DATABASE_URL is set; new workers of site serve with it` */
export function renderSecretChange(
  verb: 'set' | 'remove',
  target: Target & { name: string },
  { apps, waited, appIsMissing }: SecretChangeResult,
  { width }: TextLayout,
): string {
  const words = { set: { done: 'is set', with: 'with' }, remove: { done: 'is removed', with: 'without' } }[verb];
  const workers = `new workers of ${apps.map(printable).join(', ')}`;
  const served = waited ? `${workers} serve ${words.with} it` : `${workers} will serve ${words.with} it`;
  const nobody = appIsMissing ? `${printable(target.tenant)} has no such app yet` : 'no app that runs is concerned';
  const text = `${at(target)}: ${target.name} ${words.done}; ${apps.length === 0 ? nobody : served}`;
  return `${wrapText(text, width).join('\n')}\n`;
}

export function renderSecrets(target: Target, { secrets, problems }: SecretListResult, layout: TextLayout): string {
  const { width, paint, nowMs } = layout;
  const faults = problems.flatMap((problem) => renderProblem(problem, { width, paint, indent }));
  if (secrets.length === 0) return `${[`${at(target)} has no secrets: tenantctl secret set ${at(target)} KEY`, ...faults].join('\n')}\n`;
  const rows = secrets.map((secret) => ({ cells: cellsOf(secret, nowMs) }));
  return `${[...renderTable(heads, rows, { width, paint, indent: '' }), ...faults].join('\n')}\n`;
}

function cellsOf({ name, app, setAt, setBy, keyVersion }: SecretInfo, nowMs: number): string[] {
  return [printable(name), printable(app ?? 'all apps'), formatDistance(Date.parse(setAt), nowMs), printable(setBy), String(keyVersion)];
}

export function renderRotation({ tenants }: SecretRotateResult): string {
  if (tenants.length === 0) return 'nothing to rotate: there are no secrets\n';
  return tenants.map(({ tenant, secrets }) => `${printable(tenant)}: a new key for ${formatCount(secrets, 'secret')}\n`).join('');
}

export function renderMachineKeyRotation({ tenants }: MachineKeyRotateResult): string {
  return tenants === 0
    ? 'nothing to rotate: there are no secrets\n'
    : `a new machine key, for the keys of ${formatCount(tenants, 'tenant')}\n`;
}

function at({ tenant, app }: Target): string {
  return app === undefined ? printable(tenant) : `${printable(tenant)}/${printable(app)}`;
}
