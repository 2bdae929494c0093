/** What tokens of role `agent` ask for: it waits until somebody who may do it himself decides. */
import { z } from 'zod';
import { name } from './call-values.ts';
import type { Problem } from '../base/problem.ts';

const proposalRef = z.strictObject({
  tenant: name.optional(),
  id: z.string().regex(/^[a-z0-9]{6}$/, "a proposal's id has six characters"),
});

export const proposalCalls = {
  /** Result: ProposalListResult. */
  'proposal-list': z.strictObject({ tenant: name.optional() }),
  /** Result: ProposalShowResult. Takes as long as two releases take to be compared. */
  'proposal-show': proposalRef,
  /** Result: ProposalApproveResult, when it has been carried out; refused as the call itself would be. It is tried once. */
  'proposal-approve': proposalRef,
  /** Result: ProposalInfo. */
  'proposal-deny': proposalRef.extend({ reason: z.string().min(1).max(500).optional() }),
};

/** `approving` while it is carried out; `interrupted` when that was cut off by the daemon's end: it is done, or not. */
export const proposalStates = ['open', 'approving', 'done', 'failed', 'denied', 'expired', 'replaced', 'interrupted'] as const;
export type ProposalState = (typeof proposalStates)[number];

export interface ProposalInfo {
  id: string;
  tenant: string;
  /** The call that it is, and its parameters. Of `app-deploy`, `release` is what was made of what was sent. */
  call: string;
  params: Record<string, unknown>;
  proposedAt: string;
  proposedBy: string;
  /** Until when somebody may decide. */
  expiresAt: string;
  state: ProposalState;
  decidedAt?: string;
  decidedBy?: string;
  /** Why it was denied, or failed. */
  reason?: string;
}

export interface ProposalListResult {
  /** The newest first. */
  proposals: ProposalInfo[];
}

/** What would change. */
export interface ProposalChange {
  /** In words. */
  before: string;
  after: string;
  /** Of domains: what is wrong with them now. */
  problems?: Problem[];
  /** Of a deploy. */
  files?: FileChanges;
}

/** Some of the names of each kind; `counts` has how many there are. */
export interface FileChanges {
  added: string[];
  changed: string[];
  removed: string[];
  counts: { added: number; changed: number; removed: number };
}

export interface ProposalShowResult {
  proposal: ProposalInfo;
  /** Absent once it was decided. */
  change?: ProposalChange;
}

export interface ProposalApproveResult {
  proposal: ProposalInfo;
  /** Of the call. */
  result: unknown;
}
