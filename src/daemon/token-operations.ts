import { TenantdError } from '../base/errors.ts';
import type { TokenCreateResult } from '../protocol/token-calls.ts';
import type { Audited } from './audited.ts';
import type { ControlOperations } from './control-server.ts';
import type { Tenant } from './tenant.ts';
import { toTokenInfo, type Tokens } from './tokens.ts';

/** What can be asked about tokens. No answer but that of `create`, no error and no audit record holds what one is. */
export function createTokenOperations(parts: {
  tokens: Tokens;
  audited: Audited;
  /** Throws when there is none. */
  tenantOf: (name: string) => Tenant;
  /** Their connections are to end. */
  onRevoked: () => void;
}): Pick<ControlOperations, 'token-create' | 'token-list' | 'token-revoke'> {
  const { tokens, audited, tenantOf } = parts;

  return {
    'token-create'({ tenant: tenantName, role, name = '', lifetimeMs }, by) {
      if ((role === 'operator') !== (tenantName === undefined)) throw wrongTenant(role);
      const tenant = tenantName === undefined ? '' : tenantOf(tenantName).name;
      let made: TokenCreateResult | undefined;
      const look = (): unknown => made && { id: made.id, role, name, expiresAt: made.expiresAt ?? 'never' };
      return audited({ tenant, action: 'token-create', actor: by.actor, look: () => look() ?? null }, () => {
        const { row, text } = tokens.create({ tenant, role, name, lifetimeMs, by });
        made = { ...toTokenInfo(row), token: text };
        return Promise.resolve(made);
      });
    },

    'token-list': ({ tenant }) => ({ tokens: tokens.list(tenant) }),

    'token-revoke'({ tenant, id }, { actor }) {
      const known = tokens.list(tenant).find((token) => token.id === id);
      const look = (): unknown => ({
        id,
        revokedAt: tokens.list(known?.tenant).find((token) => token.id === id)?.revokedAt ?? null,
      });
      return audited({ tenant: known?.tenant ?? tenant ?? '', action: 'token-revoke', actor, look }, () => {
        const revoked = tokens.revoke(tenant, id).map((row) => row.id);
        parts.onRevoked();
        return Promise.resolve({ revoked });
      });
    },
  };
}

function wrongTenant(role: string): TenantdError {
  const message = role === 'operator' ? 'a token of role operator is of no tenant' : `a token of role ${role} is of a tenant`;
  return new TenantdError('TENANTD_E_INVALID_REQUEST', message, 'give --tenant with every role but operator');
}
