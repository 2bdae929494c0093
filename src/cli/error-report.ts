import { messageOf, TenantdError } from '../base/errors.ts';
import { printable } from './printable.ts';
import { type Terminal, writeJson } from './terminal.ts';
import { withoutTokens } from './token-source.ts';
import { wrapText } from './wrap-text.ts';

/** The readable message goes to stderr in any case; with `--json` the document on stdout is all there is. */
export function reportError(terminal: Terminal, error: TenantdError, json: boolean): void {
  const { code, fix } = error;
  const message = withoutTokens(error.message);
  if (json) writeJson(terminal, { error: { code, message, fix } });
  const lines = wrapText(`tenantctl: ${printable(message)} (${code})`, terminal.errorWidth);
  if (fix !== '') lines.push(...wrapText(`fix: ${printable(fix)}`, terminal.errorWidth, '  '));
  terminal.writeErr(`${lines.join('\n')}\n`);
}

/** What an agent asked for went as it should: it is done when somebody approves it. Answers the exit code. */
export function reportProposed(terminal: Terminal, { message, fix }: TenantdError, json: boolean): number {
  const [, id = ''] = /^proposal ([a-z0-9]{6}):/.exec(message) ?? [];
  if (json) writeJson(terminal, { proposal: { id, approve: fix } });
  else terminal.writeOut(`${printable(message)}\nto approve it: ${printable(fix)}\n`);
  return 0;
}

/** INTERFACE 2: 1 failed or denied, 2 wrong usage, 3 the daemon can not be reached. */
export function exitCodeOf(error: TenantdError): number {
  if (error.code === 'TENANTD_E_USAGE') return 2;
  if (error.code === 'TENANTD_E_UNREACHABLE') return 3;
  return 1;
}

export function toTenantdError(error: unknown): TenantdError {
  if (error instanceof TenantdError) return error;
  return new TenantdError('TENANTD_E_INTERNAL', messageOf(error), 'this is a fault in tenantctl: report it', { cause: error });
}
