/** Between `tenantctl` and the daemon: templates, and what has come to differ from the files. */
import { z } from 'zod';
import { name } from './call-values.ts';
import type { Problem } from '../base/problem.ts';

export const templateCalls = {
  /** Result: TemplateListResult. */
  'template-list': z.strictObject({}),
  /**
   * Renders a template anew for a tenant that was made from it. Result: TemplateApplyResult, when its apps serve; refused, with everything
   * as it was, when one does not come to.
   */
  'template-apply': z.strictObject({
    template: z.string().min(1).max(256),
    tenant: name,
    /** Over the values that it was made with; kept for the next time. */
    set: z.record(z.string().min(1).max(64), z.string().max(4_096)).optional(),
    /** What the operator changed since is overwritten, too. */
    force: z.boolean(),
    /** What would be done, and nothing else. */
    dryRun: z.boolean(),
    /** What was shown: anything else is refused. */
    digest: z.string().max(256).optional(),
  }),
  /** Result: DiffResult. */
  diff: z.strictObject({ tenant: name.optional() }),
};

export interface TemplateVariableInfo {
  name: string;
  description?: string;
  /** Absent: it has to be given. */
  default?: string;
  pattern?: string;
}

export interface TemplateInfo {
  name: string;
  description: string;
  variables: TemplateVariableInfo[];
  /** That were made from it. */
  tenants: string[];
  /** It can not be used. */
  problem?: Pick<Problem, 'code' | 'message' | 'fix'>;
}

export interface TemplateListResult {
  templates: TemplateInfo[];
}

export interface TemplateFileChange {
  /** Below the tenant's folder. */
  path: string;
  kind: 'add' | 'change' | 'remove';
  /** Why it is left alone. Of tenant.yaml, `keys` alone are, if there are some. */
  conflict?: string;
  keys?: string[];
  /** Texts, when both are, and not too long. */
  before?: string;
  after?: string;
}

export interface TemplateApplyResult {
  tenant: string;
  template: string;
  changes: TemplateFileChange[];
  /** Apps that were deployed since: their releases are their own. */
  deployed: string[];
  /** Apps whose workers are, or would be, replaced. */
  apps: string[];
  digest: string;
  applied: boolean;
}

/** Something that is not as the files on the disk say. */
export interface DiffChange {
  /** '' for the daemon itself. */
  tenant: string;
  app?: string;
  /** `plan`, `limits.memory`, `release`: what differs. */
  what: string;
  /** What holds now. */
  from: string | null;
  /** What the files say. */
  to: string | null;
  why: string;
}

export interface DiffResult {
  changes: DiffChange[];
}
