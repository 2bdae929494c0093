import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { controlCalls } from '../protocol/control.ts';
import type { proposalCalls, ProposalApproveResult, ProposalChange, ProposalShowResult } from '../protocol/proposal-calls.ts';
import type { Audited } from './audited.ts';
import { type Caller, type ControlOperations, type Gate, outcomeOf } from './control-server.ts';
import { type CallName, decide } from './policy.ts';
import { createPreviews, type PreviewParts, type ProposalParams } from './proposal-preview.ts';
import type { ProposalRow } from './proposal-rows.ts';
import { type Proposals, toProposalInfo } from './proposals.ts';
import type { Releases } from './releases.ts';

export type ProposalOperations = Pick<ControlOperations, keyof typeof proposalCalls>;

export interface ProposalParts extends PreviewParts {
  proposals: Proposals;
  releases: Pick<Releases, 'list' | 'compare' | 'deploy' | 'promote' | 'tidy'>;
  audited: Audited;
  log: Log;
}

const keptComparisons = 32;

/** What agents propose, and those who decide on it. */
export function createProposalOperations(parts: ProposalParts): {
  operations: ProposalOperations;
  propose: Gate['propose'];
  expire: () => void;
} {
  const { proposals, releases, audited, tenantOf, appOf, log } = parts;
  const previews = createPreviews(parts);
  /** Of releases that don't change; of what serves, another one begins another comparison. */
  const comparisons = new Map<string, { key: string; change: Promise<ProposalChange> }>();

  function preview(call: CallName, params: ProposalParams, caller: Caller): Promise<ProposalChange> {
    const found = previews[call];
    if (!found) throw new TenantdError('TENANTD_E_DENIED', `${call} can not be proposed`, 'ask an admin of the tenant');
    return found(params, caller);
  }

  /** Answers with an error that says under which id it waits: nothing of what the call answers is there yet. */
  async function propose(call: CallName, given: unknown, caller: Caller): Promise<unknown> {
    expire();
    const params = given as ProposalParams;
    const tenant = tenantOf(params.tenant);
    proposals.assertRoom(tenant.name, params);
    if (call === 'app-deploy') return proposeDeploy(params, caller);
    const change = await preview(call, params, caller);
    // By the time that it is approved another one may have served before.
    const kept = call === 'app-rollback' ? { ...params, to: change.after } : params;
    let row: ProposalRow | undefined;
    const look = (): unknown => row && { id: row.id, call, params: kept };
    const proposed = await audited({ tenant: tenant.name, action: 'propose', actor: caller.actor, look: () => look() ?? null }, () => {
      row = proposals.add({ tenant: tenant.name, call, params: kept, proposedBy: caller.actor });
      return Promise.resolve(row);
    });
    throw new TenantdError(
      'TENANTD_E_PROPOSED',
      `proposal ${proposed.id}: ${call} waits to be approved`,
      `tenantctl approve ${proposed.id}`,
    );
  }

  function proposeDeploy(params: ProposalParams, { actor }: Caller): Promise<unknown> {
    const tenant = tenantOf(params.tenant);
    const app = appOf(tenant, params.app);
    return releases.deploy({
      ...{ tenant, app, actor, wait: false },
      propose(release) {
        proposals.assertRoom(tenant.name, params);
        proposals.replaceDeploys(tenant.name, app, actor);
        return proposals.add({ tenant: tenant.name, call: 'app-deploy', params: { tenant: tenant.name, app, release }, proposedBy: actor })
          .id;
      },
    });
  }

  async function changeOf(row: ProposalRow, caller: Caller): Promise<ProposalChange> {
    const params = row.params as ProposalParams;
    if (row.call !== 'app-deploy') return preview(row.call as CallName, params, caller);
    const key = releases.list(row.tenant, params.app as AppName).find(({ current }) => current)?.release ?? '';
    const known = comparisons.get(row.id);
    if (known?.key === key) return known.change;
    const change = preview('app-deploy', params, caller);
    change.catch(() => comparisons.delete(row.id));
    for (const oldest of [...comparisons.keys()].slice(0, comparisons.size - keptComparisons)) comparisons.delete(oldest);
    comparisons.set(row.id, { key, change });
    return change;
  }

  async function carryOut(row: ProposalRow, approver: Caller): Promise<unknown> {
    const call = row.call as CallName;
    const caller = { ...approver, actor: `${approver.actor}, proposed by ${row.proposedBy}` };
    if (call !== 'app-deploy') return parts.operation(call)(controlCalls[call].parse(row.params), caller);
    const { tenant: name, app, release = '' } = row.params as ProposalParams;
    const tenant = tenantOf(name);
    return releases.promote({ tenant, app: appOf(tenant, app), to: release, actor: caller.actor });
  }

  /** What was made for it; a fault is no fault of the decision: the next deploy tries again. */
  async function tidy({ id, tenant: name, call, params }: ProposalRow): Promise<void> {
    comparisons.delete(id);
    if (call !== 'app-deploy') return;
    try {
      const tenant = tenantOf(name);
      await releases.tidy(tenant, appOf(tenant, (params as ProposalParams).app));
    } catch (error) {
      log.warn({ tenant: name, proposal: id, error: messageOf(error) }, 'a release that was proposed could not be removed now');
    }
  }

  function expire(): void {
    for (const row of proposals.expire()) void tidy(row);
  }

  async function approve(row: ProposalRow, caller: Caller): Promise<ProposalApproveResult> {
    const { actor } = caller;
    proposals.move(row, 'open', 'approving', { actor });
    try {
      const result = await carryOut(row, caller);
      return { proposal: proposals.move(row, 'approving', 'done', { actor }), result };
    } catch (error) {
      proposals.move(row, 'approving', 'failed', { actor, reason: outcomeOf(error) });
      throw error;
    } finally {
      await tidy(row);
    }
  }

  function decideOn(action: 'approve' | 'deny', row: ProposalRow, actor: string) {
    const look = (): unknown => ({ id: row.id, call: row.call, state: proposals.find(row.tenant, row.id).state });
    return { tenant: row.tenant, action, actor, look };
  }

  const operations: ProposalOperations = {
    'proposal-list'({ tenant }) {
      expire();
      return { proposals: proposals.list(tenant) };
    },
    async 'proposal-show'({ tenant, id }, caller): Promise<ProposalShowResult> {
      expire();
      const row = proposals.find(tenant, id);
      return { proposal: toProposalInfo(row), ...(row.state === 'open' && { change: await changeOf(row, caller) }) };
    },
    'proposal-approve'({ tenant, id }, caller) {
      expire();
      const row = proposals.find(tenant, id);
      const decision = decide(caller.who, row.call as CallName, row.params);
      // Nobody approves what he may not do himself.
      if (decision.verdict !== 'yes')
        throw new TenantdError('TENANTD_E_DENIED', `who may not ${row.call} may not approve it`, 'ask the operator');
      return audited(decideOn('approve', row, caller.actor), () => approve(row, caller));
    },
    'proposal-deny'({ tenant, id, reason }, { actor }) {
      expire();
      const row = proposals.find(tenant, id);
      return audited(decideOn('deny', row, actor), async () => {
        const denied = proposals.move(row, 'open', 'denied', { actor, reason });
        await tidy(row);
        return denied;
      });
    },
  };
  return { operations, propose, expire };
}
