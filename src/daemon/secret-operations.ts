import { setImmediate as nextTurn } from 'node:timers/promises';
import { TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, type TenantName } from '../base/ids.ts';
import { parseSecretName, parseSecretValue } from '../config/secret-values.ts';
import type { Parsed } from '../config/values.ts';
import type { SecretChangeResult, SecretInfo, SecretRotateResult } from '../protocol/secret-calls.ts';
import type { Audited } from './audited.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import { changeSecrets } from './secret-rollout.ts';
import type { SecretRow, SecretRows, SecretScope } from './secret-rows.ts';
import type { SecretVault } from './secret-vault.ts';
import type { Tenant } from './tenant.ts';

export interface SecretOperationParts {
  vault: SecretVault;
  rows: SecretRows;
  audited: Audited;
  /** Throws when there is none. */
  tenantOf: (name: string) => Tenant;
}

type SecretOperations = Pick<ControlOperations, 'secret-set' | 'secret-list' | 'secret-remove' | 'secret-rotate' | 'machine-key-rotate'>;

interface Target {
  tenant: Tenant;
  app: SecretScope;
  name: string;
}

/** What can be asked about secrets. No answer, error or audit record holds a value, nor anything made of one. */
export function createSecretOperations({ vault, rows, audited, tenantOf }: SecretOperationParts): SecretOperations {
  function targetOf(params: { tenant: string; app?: string | undefined; name: string }): Target {
    const name = valueOf(parseSecretName(params.name), 'the name of a secret');
    return { tenant: tenantOf(params.tenant), app: scopeOf(params.app), name };
  }

  function rowOf({ tenant, app, name }: Target): SecretRow | undefined {
    return rows.of(tenant.name).find((row) => row.app === app && row.name === name);
  }

  /** Workers that run with it, or without it, are replaced. */
  function change(action: string, target: Target, { actor }: Caller, wait: boolean, work: () => void): Promise<SecretChangeResult> {
    const look = (): unknown => {
      const row = rowOf(target);
      return { app: target.app, name: target.name, setAt: row?.setAt ?? null, setBy: row?.setBy ?? null };
    };
    return audited({ tenant: target.tenant.name, action, actor, look }, async () => ({
      ...(await changeSecrets(target.tenant, work, wait)),
      ...(target.app !== '' && !target.tenant.picture.apps().has(target.app) && { appIsMissing: true as const }),
    }));
  }

  /** One that does not open keeps none of the others from it. */
  async function rotate(names: readonly TenantName[]): Promise<SecretRotateResult> {
    const done: SecretRotateResult['tenants'] = [];
    const faults: unknown[] = [];
    for (const tenant of names) {
      try {
        const secrets = vault.rotateDataKey(tenant);
        if (secrets > 0) done.push({ tenant, secrets });
      } catch (error) {
        faults.push(error);
      }
      // Requests of others come in between.
      await nextTurn();
    }
    if (faults.length > 0) throw faults[0];
    return { tenants: done };
  }

  return {
    'secret-set'(params, caller) {
      const target = targetOf(params);
      const value = valueOf(parseSecretValue(params.value), `the value of ${target.name}`);
      const { app, name } = target;
      return change('secret-set', target, caller, params.wait, () => vault.set(target.tenant.name, { app, name, value, by: caller.actor }));
    },

    'secret-remove'(params, caller) {
      const target = targetOf(params);
      const { tenant, app, name } = target;
      return change('secret-remove', target, caller, params.wait, () => {
        if (!rows.remove(tenant.name, app, name)) throw noSuchSecret(target);
      });
    },

    'secret-list'({ tenant: tenantName, app }) {
      const tenant = tenantOf(tenantName);
      const shown = app === undefined ? rows.of(tenant.name) : rows.forApp(tenant.name, scopeOf(app) as AppName);
      return { secrets: shown.map(toSecretInfo), problems: vault.problems(tenant.name) };
    },

    'secret-rotate'({ tenant }, { actor }) {
      const names = tenant === undefined ? rows.dataKeys().map((key) => key.tenant) : [tenantOf(tenant).name];
      const look = (): unknown => names.flatMap((name) => rows.dataKeyOf(name) ?? []).map(({ tenant: of, version }) => [of, version]);
      return audited({ tenant: tenant ?? '', action: 'secret-rotate', actor, look }, () => rotate(names));
    },

    'machine-key-rotate'(_, { actor }) {
      const look = (): unknown => ({ machineKeys: rows.machineKeyIds() });
      return audited({ tenant: '', action: 'machine-key-rotate', actor, look }, async () => ({ tenants: vault.rotateMachineKey() }));
    },
  };
}

function scopeOf(app: string | undefined): SecretScope {
  return app !== undefined && isAppName(app) ? app : '';
}

function valueOf<Value>(parsed: Parsed<Value>, what: string): Value {
  if ('value' in parsed) return parsed.value;
  throw new TenantdError('TENANTD_E_INVALID_VALUE', `${what} ${parsed.fault.message}`, parsed.fault.fix);
}

function toSecretInfo({ app, name, setAt, setBy, keyVersion }: SecretRow): SecretInfo {
  return { ...(app !== '' && { app }), name, setAt, setBy, keyVersion };
}

function noSuchSecret({ tenant: { name: tenant }, app, name }: Target): TenantdError {
  const at = app === '' ? `all apps of ${tenant}` : `${tenant}/${app}`;
  return new TenantdError('TENANTD_E_NO_SUCH_SECRET', `there is no secret ${name} for ${at}`, `see tenantctl secret list ${tenant}`);
}
