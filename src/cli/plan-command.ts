import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { nearest } from '../config/nearest.ts';
import type { PlanInfo, PlanListResult, PlanShowResult } from '../protocol/plan-calls.ts';
import { callDaemon } from './control-client.ts';
import { renderPlan, renderPlans, renderTenantPlan } from './plan-text.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

const showHelp = `
With --tenant: what counts for it. OWN is what its tenant.yaml has over the
plan, NOW what the kernel holds it to, while it is up.

Examples: tenantctl plan show starter
          tenantctl plan show --tenant acme`;

export function registerPlan(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  const plan = program.command('plan').description('show what tenants may use');
  plan
    .command('list')
    .description('show the plans of tenantd.yaml, and how many tenants have each')
    .addHelpText('after', '\nExample: tenantctl plan list')
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'plan-list', {})) as PlanListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderPlans(result.plans, layoutOf(surroundings)));
    });
  plan
    .command('show')
    .description('show all limits of a plan, or of a tenant')
    .argument('[plan]', 'a plan of tenantd.yaml')
    .option('--tenant <tenant>', 'of this tenant')
    .addHelpText('after', showHelp)
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { config, json, tenant } = command.optsWithGlobals<GlobalOptions & { tenant?: string }>();
      if ((name === undefined) === (tenant === undefined)) throw wrongUsage();
      const layout = layoutOf(surroundings);
      if (tenant !== undefined) {
        const result = (await callDaemon(surroundings, config, 'plan-show', { tenant: parseTenantName(tenant) })) as PlanShowResult;
        return json ? writeJson(terminal, result) : terminal.writeOut(renderTenantPlan(result, layout));
      }
      const { plans } = (await callDaemon(surroundings, config, 'plan-list', {})) as PlanListResult;
      const found = findPlan(plans, name ?? '');
      return json ? writeJson(terminal, found) : terminal.writeOut(renderPlan(found, layout));
    });
}

function wrongUsage(): TenantdError {
  return new TenantdError('TENANTD_E_USAGE', 'name a plan, or a tenant by --tenant', 'see tenantctl plan show --help');
}

function findPlan(plans: readonly PlanInfo[], name: string): PlanInfo {
  const found = plans.find((plan) => plan.name === name);
  if (found) return found;
  const meant = nearest(
    name,
    plans.map((plan) => plan.name),
  );
  const fix = meant === undefined ? 'tenantctl plan list has all of them' : `did you mean ${meant}?`;
  throw new TenantdError('TENANTD_E_UNKNOWN_PLAN', `there is no plan ${JSON.stringify(name)}`, fix);
}
