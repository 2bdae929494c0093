import type { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, type TenantName } from '../base/ids.ts';
import { toText } from '../config/template-render.ts';
import type { templateCalls, TemplateApplyResult, TemplateFileChange, TemplateInfo } from '../protocol/template-calls.ts';
import type { Audited } from './audited.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import { createTurns } from './in-turn.ts';
import type { Paths } from './paths.ts';
import type { Releases } from './releases.ts';
import type { Store } from './store.ts';
import type { createTemplateApplier } from './template-apply.ts';
import { appOf, effective, type PlannedChange, planTemplate, type TemplatePlan } from './template-plan.ts';
import type { TemplateRow } from './template-rows.ts';
import type { Templates } from './templates.ts';
import type { Tenant } from './tenant.ts';

export interface TemplateOperationParts {
  paths: Paths;
  store: Pick<Store, 'templates'>;
  templates: Templates;
  templateApplier: ReturnType<typeof createTemplateApplier>;
  releases: Pick<Releases, 'hold'>;
  audited: Audited;
  tenantOf: (name: string) => Tenant;
  findTenant: (name: string) => Tenant | undefined;
}

type ApplyParams = z.infer<(typeof templateCalls)['template-apply']>;

/** Of one answer: what is longer is told by its name alone. */
const shownBytes = { file: 256 << 10, all: 2 << 20 } as const;
const auditedPaths = 50;

export function createTemplateOperations(parts: TemplateOperationParts): Pick<ControlOperations, 'template-list' | 'template-apply'> {
  const { paths, store, templates, templateApplier, releases, audited, tenantOf, findTenant } = parts;
  /** Each has all of a template's files, and a tenant's, in memory. */
  const inTurn = createTurns();

  async function infoOf(name: string): Promise<TemplateInfo> {
    const tenants = store.templates.tenants(name).flatMap(({ tenant }) => (findTenant(tenant) ? [tenant] : []));
    try {
      const { description, variables } = await templates.settingsOf(name);
      return { name, description, variables: [...variables], tenants };
    } catch (error) {
      const problem =
        error instanceof TenantdError
          ? { code: error.code, message: error.message, fix: error.fix }
          : ({ code: 'TENANTD_E_TEMPLATE', message: messageOf(error), fix: 'look at its files' } as const);
      return { name, description: '', variables: [], tenants, problem };
    }
  }

  function rowOf(tenant: TenantName, template: string): TemplateRow {
    const row = store.templates.get(tenant);
    if (row?.template === template) return row;
    const message = row ? `${tenant} was made from the template ${row.template}` : `${tenant} was not made from a template`;
    throw new TenantdError('TENANTD_E_NO_SUCH_TEMPLATE', message, 'tenantctl template list shows which tenants were made from which');
  }

  async function planFor(tenant: TenantName, { template: name, set = {}, force }: ApplyParams): Promise<TemplatePlan> {
    const row = rowOf(tenant, name);
    const template = await templates.read(name);
    return planTemplate(templates, { tenant, tenantDir: paths.tenantDirOf(tenant), template, row, set, force });
  }

  /** While its files change, none of its apps gets releases. */
  async function carryOut(tenant: Tenant, plan: TemplatePlan, actor: string): Promise<void> {
    const leave = appsOf(plan).map((app) => releases.hold({ tenant: tenant.name, app }, 'an update of its template', actor));
    try {
      await templateApplier.apply(tenant, plan);
    } finally {
      for (const leaveTurn of leave) leaveTurn();
    }
  }

  function apply(tenant: Tenant, params: ApplyParams, actor: string): Promise<TemplateApplyResult> {
    let files: string[] = [];
    const look = (): unknown => ({
      template: params.template,
      at: store.templates.get(tenant.name)?.appliedAt,
      force: params.force,
      files,
    });
    return audited({ tenant: tenant.name, action: 'template-apply', actor, look }, async () => {
      const plan = await planFor(tenant.name, params);
      if (params.digest !== undefined && params.digest !== plan.digest) {
        throw new TenantdError(
          'TENANTD_E_BUSY',
          `the files of ${tenant.name}, or of its template, changed meanwhile`,
          'look at the changes again',
        );
      }
      files = effective(plan)
        .map(({ path }) => path)
        .slice(0, auditedPaths);
      await carryOut(tenant, plan, actor);
      return toResult(tenant.name, plan, true);
    });
  }

  return {
    async 'template-list'() {
      const infos: TemplateInfo[] = [];
      for (const name of templates.names()) infos.push(await infoOf(name));
      return { templates: infos };
    },
    'template-apply': (params: ApplyParams, { actor }: Caller) => {
      const tenant = tenantOf(params.tenant);
      if (!params.dryRun) return inTurn(() => apply(tenant, params, actor));
      return inTurn(async () => toResult(tenant.name, await planFor(tenant.name, params), false));
    },
  };
}

function appsOf(plan: TemplatePlan): AppName[] {
  return [...new Set(effective(plan).map(({ path }) => appOf(path)))].filter((app) => app !== undefined).filter(isAppName);
}

function toResult(tenant: TenantName, plan: TemplatePlan, applied: boolean): TemplateApplyResult {
  const { row, deployed, digest, changes } = plan;
  let shown = 0;
  const shownChanges = changes.map((change) => {
    const texts = textsOf(change);
    shown += (texts?.before?.length ?? 0) + (texts?.after?.length ?? 0);
    return toChange(change, shown <= shownBytes.all ? texts : undefined);
  });
  return { tenant, template: row.template, changes: shownChanges, deployed: [...deployed], apps: appsOf(plan), digest, applied };
}

type Texts = Pick<TemplateFileChange, 'before' | 'after'>;

function toChange({ path, kind, conflict, keys }: PlannedChange, texts: Texts | undefined): TemplateFileChange {
  return { path, kind, ...(conflict !== undefined && { conflict }), ...(keys && { keys: [...keys] }), ...texts };
}

/** Undefined when one of them is no text, or long. */
function textsOf({ before, beforeHash, after }: PlannedChange): Texts | undefined {
  if ((beforeHash !== undefined && !before) || (after?.content.length ?? 0) > shownBytes.file) return undefined;
  const [old, next] = [toText(before ?? new Uint8Array()), toText(after?.content ?? new Uint8Array())];
  if (old === undefined || next === undefined) return undefined;
  return { ...(before && { before: old }), ...(after && { after: next }) };
}
