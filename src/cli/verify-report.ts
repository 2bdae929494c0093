import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import type { Check, VerifyResult } from '../protocol/verify.ts';
import { printable } from './printable.ts';
import { type Controls, controlsByLayer, controlsOfVerify } from './verify-controls.ts';

/** Two files a tenant: for people (Markdown), and the same as JSON. Answers with their names. */
export async function writeReports(directory: string, result: VerifyResult): Promise<string[]> {
  const stamp = result.time.replace(/\.\d+Z$/, 'Z').replaceAll(':', '');
  const byTenant = [...Map.groupBy(result.checks, ({ tenant }) => tenant)];
  const files = byTenant.flatMap(([tenant, checks]) => {
    const name = `${tenant || 'tenantd'}-${stamp}`;
    return [
      { name: `${name}.md`, text: renderReport(tenant, checks, result) },
      { name: `${name}.json`, text: `${JSON.stringify(toDocument(tenant, checks, result), null, 2)}\n` },
    ];
  });
  try {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    for (const { name, text } of files) await writeWhole(join(directory, name), text);
  } catch (error) {
    throw new TenantdError('TENANTD_E_FILE_UNWRITABLE', `the report can not be written: ${messageOf(error)}`, fixOf(error));
  }
  return files.map(({ name }) => join(directory, name));
}

/** No half of a report is ever there under its name. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o640 });
  await rename(`${file}.new`, file);
}

function fixOf(error: unknown): string {
  return errnoOf(error) === 'EACCES' ? 'name a folder that you can write' : 'name another folder';
}

function toDocument(tenant: string, checks: readonly Check[], { time, version, host, kernel, configurations }: VerifyResult): object {
  const configurationSha256 = configurations[tenant] ?? '';
  return {
    tenant,
    time,
    version,
    host,
    kernel,
    configurationSha256,
    ok: checks.every(({ ok, waived }) => ok || waived),
    checks,
    controls: controlsByLayer,
  };
}

/** Evidence for an auditor: what was observed, where, which controls it supports, and how to see it again by hand. */
export function renderReport(tenant: string, checks: readonly Check[], result: VerifyResult): string {
  const waived = checks.filter((check) => check.waived);
  const failed = checks.filter((check) => !check.ok && !check.waived);
  return [
    `# Isolation of ${tenant === '' ? "tenantd's own processes" : `tenant ${tenant}`}`,
    '',
    '| | |',
    '|---|---|',
    `| observed | ${result.time} |`,
    `| host | ${cell(result.host)}, Linux ${cell(result.kernel)} |`,
    `| tenantd | ${result.version} |`,
    `| configuration, SHA-256 | \`${result.configurations[tenant] ?? 'none'}\` |`,
    `| checks | ${checks.length - waived.length}, ${failed.length} failed, ${waived.length} waived |`,
    '',
    ...(waived.length > 0
      ? [
          '**Waived** by the operator (`isolation.without`), so not in force:',
          '',
          ...waived.map(({ layer, actual }) => `- ${layer}: ${cell(actual)}`),
          '',
        ]
      : []),
    ...(failed.length > 0
      ? ['**Failed:**', '', ...failed.map(({ id, subject, actual }) => `- \`${id}\` ${cell(subject)}: ${cell(actual)}`), '']
      : []),
    'Each fact below was read from the kernel, or answered by it to an attack, at the time above. To repeat them all:',
    '',
    `    tenantctl verify ${tenant}`.trimEnd(),
    '',
    ...Object.entries(controlsByLayer).flatMap(([layer, controls]) =>
      renderLayer(
        layer,
        controls,
        checks.filter((check) => check.layer === layer && !check.waived),
      ),
    ),
    '## The checks themselves',
    '',
    ...renderControls(controlsOfVerify),
    '',
  ].join('\n');
}

function renderLayer(layer: string, controls: Controls, checks: readonly Check[]): string[] {
  if (checks.length === 0) return [];
  return [
    `## ${layer}`,
    '',
    ...renderControls(controls),
    '',
    '| | check | of | expected | observed | read from | by hand |',
    '|---|---|---|---|---|---|---|',
    ...checks.map((check) => {
      const { ok, id, subject, expected, actual, source } = check;
      return `| ${ok ? 'ok' : '**FAILED**'} | \`${cell(id)}\` | ${cell(subject)} | ${cell(expected)} | ${cell(actual)} | ${cell(source)} | ${byHand(check)} |`;
    }),
    '',
  ];
}

function renderControls({ what, nist, soc2, iso }: Controls): string[] {
  return [`${what} Supports NIST SP 800-53 rev. 5 ${nist.join(', ')}; SOC 2 ${soc2.join(', ')}; ISO/IEC 27001:2022 ${iso.join(', ')}.`];
}

/** The command that shows the same fact. */
function byHand({ id, source, tenant }: Check): string {
  if (id.startsWith('probe.')) return `\`tenantctl verify ${tenant}\``;
  const [path = ''] = source.split(/[ ,]/);
  if (!path.startsWith('/')) return '';
  const program = /\/(?:fd|ns|root)(?:\/\w+)?$/.test(path) ? 'ls -l' : path.endsWith('/environ') ? "tr '\\0' '\\n' <" : 'cat';
  return `\`${program} ${cell(path)}\``;
}

/** One cell of a table; some of it comes out of sandboxes. */
function cell(text: string): string {
  return printable(text).replaceAll('|', '\\|').replaceAll('`', "'").replaceAll('<', '&lt;');
}
