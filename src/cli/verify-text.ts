import type { Check, VerifyResult } from '../protocol/verify.ts';
import { printable } from './printable.ts';
import { formatCount } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

const indent = '  ';
const detailIndent = '      ';

/** Waived layers first, then a line a tenant, with everything that is not as promised below it. */
export function renderVerify({ ok, checks }: VerifyResult, layout: TextLayout): string {
  const waived = checks.filter((check) => check.waived);
  const counted = checks.filter((check) => !check.waived);
  const failed = counted.filter((check) => !check.ok);
  const tenants = [...Map.groupBy(counted, ({ tenant }) => tenant)];
  return [
    ...renderWaived(waived, layout),
    ...tenants.flatMap(([tenant, own]) => renderTenant(tenant, own, layout)),
    ...(tenants.length === 0 ? ['nothing runs: there was nothing to check'] : []),
    '',
    ok
      ? layout.paint(
          'green',
          `${formatCount(counted.length, 'check')}: all as promised${waived.length > 0 ? `, but for ${formatCount(waived.length, 'waived layer')}` : ''}`,
        )
      : layout.paint('red', `${failed.length} of ${formatCount(counted.length, 'check')} failed`),
    '',
  ].join('\n');
}

function renderWaived(waived: readonly Check[], { width, paint }: TextLayout): string[] {
  if (waived.length === 0) return [];
  const byLayer = [...Map.groupBy(waived, ({ layer }) => layer)].flatMap(([layer, checks]) => {
    const [first] = checks;
    const words = `${layer}: ${printable(first?.actual ?? '')}; ${formatCount(checks.length, 'tenant runs', 'tenants run')} without it`;
    return wrapText(words, width, indent);
  });
  const title = `WAIVED by isolation.without: ${formatCount(waived.length, 'layer')} of what runs ${waived.length === 1 ? 'is' : 'are'} not in force`;
  return [...wrapText(title, width).map((line) => paint('yellow', line)), ...byLayer, ''];
}

function renderTenant(tenant: string, checks: readonly Check[], layout: TextLayout): string[] {
  const failed = checks.filter((check) => !check.ok);
  const subjects = new Set(checks.map(({ subject }) => subject).filter((subject) => subject !== ''));
  const name = tenant === '' ? 'tenantd itself' : printable(tenant);
  const verdict = failed.length === 0 ? layout.paint('green', 'ok') : layout.paint('red', `${failed.length} FAILED`);
  const figures = `${formatCount(checks.length, 'check')}, ${formatCount(subjects.size, 'sandbox', 'sandboxes')}`;
  return [`${layout.paint('bold', name)}  ${verdict}  ${figures}`, ...failed.flatMap((check) => renderFailure(check, layout))];
}

function renderFailure({ id, subject, expected, actual, source }: Check, { width, paint }: TextLayout): string[] {
  const lines = (label: string, text: string): string[] => wrapText(`${label} ${printable(text)}`, width, detailIndent);
  return [
    `${indent}${paint('red', printable(id))}${subject === '' ? '' : `  ${printable(subject)}`}`,
    ...lines('expected', expected),
    ...lines('found   ', actual),
    ...lines('read in ', source),
  ];
}
