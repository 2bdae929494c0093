import { randomInt } from 'node:crypto';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { ProposalInfo, ProposalState } from '../protocol/proposal-calls.ts';
import type { ProposalRow, ProposalRows } from './proposal-rows.ts';

/**
 * What waits to be approved, and what became of it.
 *
 * Invariants:
 * - Only what is open can be decided, and the decision is on the disk before anything is done: nothing is carried out twice, also
 *   over a kill of the daemon.
 * - A tenant has a bounded number of proposals, and each ends by itself.
 */
export interface Proposals {
  /** Throws TENANTD_E_TOO_MANY. */
  assertRoom(tenant: TenantName, params: object): void;
  add(order: Pick<ProposalRow, 'tenant' | 'call' | 'params' | 'proposedBy'>): ProposalRow;
  list(tenant: string | undefined): ProposalInfo[];
  /** Throws when there is none, of that tenant. */
  find(tenant: string | undefined, id: string): ProposalRow;
  /** From one state to the next. Throws when it is in another already. */
  move(row: ProposalRow, from: ProposalState, to: ProposalState, by: { actor: string; reason?: string | undefined }): ProposalInfo;
  /** Of one app one deploy is proposed at a time. */
  replaceDeploys(tenant: TenantName, app: AppName, actor: string): void;
  /** Answers with those that nobody decided in time. */
  expire(): ProposalRow[];
  /** Of those that a daemon before was at nobody knows how they ended. */
  takeUp(): void;
}

const maxOpenOfTenant = 100;
const maxDecidedOfTenant = 100;
const maxParamsBytes = 16 << 10;
const openMs = 7 * 86_400_000;
const idCharacters = 'abcdefghijkmnpqrstuvwxyz23456789';
const timeActor = 'tenantd';

export function createProposals({ rows, nowMs }: { rows: ProposalRows; nowMs: () => number }): Proposals {
  const now = (): string => new Date(nowMs()).toISOString();

  function move(
    row: ProposalRow,
    from: ProposalState,
    state: ProposalState,
    by: { actor: string; reason?: string | undefined },
  ): ProposalInfo {
    const decided = { state, decidedAt: now(), decidedBy: by.actor, reason: by.reason };
    if (!rows.move(row, from, decided)) throw notOpen(row.id);
    return toProposalInfo({ ...row, ...decided });
  }

  function newId(): string {
    for (;;) {
      const id = Array.from({ length: 6 }, () => idCharacters[randomInt(idCharacters.length)]).join('');
      if (!rows.find(id)) return id;
    }
  }

  function expire(): ProposalRow[] {
    const late = rows.all().filter((row) => row.state === 'open' && endOf(row) <= nowMs());
    for (const row of late) move(row, 'open', 'expired', { actor: timeActor });
    return late;
  }

  return {
    assertRoom(tenant, params) {
      if (Buffer.byteLength(JSON.stringify(params)) > maxParamsBytes) throw tooMuch(`a proposal has at most ${maxParamsBytes >> 10} KiB`);
      const open = rows.of(tenant).filter(({ state }) => state === 'open');
      if (open.length >= maxOpenOfTenant) throw tooMuch(`${tenant} has ${maxOpenOfTenant} proposals that wait, which is the limit`);
    },
    add(order) {
      const decided = rows.of(order.tenant).filter(({ state }) => state !== 'open' && state !== 'approving');
      for (const row of decided.slice(maxDecidedOfTenant)) rows.remove(row);
      const undecided = { decidedAt: undefined, decidedBy: undefined, reason: undefined };
      const row: ProposalRow = { ...order, id: newId(), proposedAt: now(), state: 'open', ...undecided };
      rows.put(row);
      return row;
    },
    list: (tenant) => (tenant === undefined ? rows.all() : rows.of(tenant)).map(toProposalInfo),
    find(tenant, id) {
      const row = rows.find(id);
      if (row && (tenant === undefined || row.tenant === tenant)) return row;
      throw new TenantdError('TENANTD_E_NO_SUCH_PROPOSAL', `there is no proposal ${id}`, 'see tenantctl proposal list');
    },
    move,
    replaceDeploys(tenant, app, actor) {
      const isOfApp = ({ state, call, params }: ProposalRow): boolean =>
        state === 'open' && call === 'app-deploy' && (params as { app?: string }).app === app;
      for (const row of rows.of(tenant).filter(isOfApp)) move(row, 'open', 'replaced', { actor, reason: 'a newer one was proposed' });
    },
    expire,
    takeUp() {
      const left = rows.all().filter(({ state }) => state === 'approving');
      for (const row of left)
        move(row, 'approving', 'interrupted', { actor: row.decidedBy ?? timeActor, reason: 'the daemon ended meanwhile' });
    },
  };
}

function endOf({ proposedAt }: ProposalRow): number {
  return Date.parse(proposedAt) + openMs;
}

export function toProposalInfo(row: ProposalRow): ProposalInfo {
  const { id, tenant, call, proposedAt, proposedBy, state, decidedAt, decidedBy, reason } = row;
  return {
    ...{ id, tenant, call, params: row.params as Record<string, unknown>, proposedAt, proposedBy, state },
    expiresAt: new Date(endOf(row)).toISOString(),
    ...(decidedAt !== undefined && { decidedAt }),
    ...(decidedBy !== undefined && { decidedBy }),
    ...(reason !== undefined && { reason }),
  };
}

function notOpen(id: string): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_PROPOSAL', `the proposal ${id} was decided already`, `see tenantctl proposal show ${id}`);
}

function tooMuch(message: string): TenantdError {
  return new TenantdError('TENANTD_E_TOO_MANY', message, 'have some of them approved or denied, or propose less at once');
}
