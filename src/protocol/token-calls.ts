/** Tokens: what other people and programs than root speak to the daemon with. */
import { z } from 'zod';
import { name } from './call-values.ts';

/** Below the daemon's runDir; anybody may connect. */
export const tokenSocket = 'access/token.sock';
/** The first call on that socket; its answer is AuthenticateResult, and ends the channel: a new one begins on the same connection. */
export const authenticate = 'authenticate';

export const tenantRoles = ['viewer', 'deployer', 'admin', 'agent'] as const;
/** Of one tenant's tokens. */
export type TenantRole = (typeof tenantRoles)[number];
export const tokenRoles = [...tenantRoles, 'operator'] as const;
export type TokenRole = (typeof tokenRoles)[number];

export const tokenId = z.string().regex(/^[a-z0-9]{6}$/, "a token's id has six characters");

export const tokenCalls = {
  /** Result: TokenCreateResult. Without a tenant: of role operator. */
  'token-create': z.strictObject({
    tenant: name.optional(),
    role: z.enum(tokenRoles),
    /** From now on. Default: 90 days, or until the token ends that asks for it. */
    lifetimeMs: z
      .union([
        z
          .number()
          .int()
          .min(1_000)
          .max(3_660 * 86_400_000),
        z.literal('never'),
      ])
      .optional(),
    /** Whose it is, or what it is for. */
    name: z
      .string()
      .regex(/^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u, 'a name has at most 64 characters, in one line')
      .optional(),
  }),
  /** Result: TokenListResult. */
  'token-list': z.strictObject({ tenant: name.optional() }),
  /** Result: TokenRevokeResult. Those that it made are revoked with it. */
  'token-revoke': z.strictObject({ tenant: name.optional(), id: tokenId }),
};

export interface TokenInfo {
  id: string;
  /** '' for the operator's. */
  tenant: string;
  role: TokenRole;
  name: string;
  createdAt: string;
  createdBy: string;
  /** Absent: never. */
  expiresAt?: string;
  /** About when; absent: never. */
  lastUsedAt?: string;
  revokedAt?: string;
}

export interface TokenCreateResult extends TokenInfo {
  /** The only time that it is shown. */
  token: string;
}

export interface TokenListResult {
  /** The newest first. */
  tokens: TokenInfo[];
}

export interface TokenRevokeResult {
  /** The ids of all that it ended. */
  revoked: string[];
}

export interface AuthenticateResult {
  id: string;
  tenant: string;
  role: TokenRole;
}
