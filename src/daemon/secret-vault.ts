import { randomBytes } from 'node:crypto';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { encodeHandOver } from '../protocol/hand-over.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import type { MachineKeys } from './machine-keys.ts';
import type { DataKeyRow, SecretRow, SecretRows, SecretScope } from './secret-rows.ts';
import { seal, sealBytes, unseal } from './secret-seal.ts';

export interface NewSecret {
  app: SecretScope;
  name: string;
  /** Wiped when it was sealed. */
  value: Buffer;
  /** As the audit trail has it. */
  by: string;
}

/**
 * The tenants' secrets. In the store they are sealed; in the clear they are for the moment that one is set or a worker is started.
 *
 * Invariants:
 * - A worker gets all of its secrets or is not started.
 * - What is stored is replaced whole: a data key together with all that it seals.
 */
export interface SecretVault {
  set(tenant: TenantName, secret: NewSecret): void;
  /** All of them, for as long as `use` lasts. Throws TENANTD_E_SECRETS. */
  reveal<Result>(tenant: TenantName, use: (secrets: { app: SecretScope; name: string; value: Buffer }[]) => Result): Result;
  /** For a worker's pipe (`protocol/hand-over.ts`). Throws TENANTD_E_SECRETS. */
  handOver(tenant: TenantName, app: AppName): Buffer;
  /** A new data key. Answers with how many secrets it seals; 0 when the tenant has none. */
  rotateDataKey(tenant: TenantName): number;
  rotateMachineKey: DataKeys['rotateMachineKey'];
  /** Ends a rotation that the daemon before did not, and looks whether all can be opened. */
  takeUp(): void;
  problems(tenant: TenantName): Problem[];
}

export const maxSecrets = 100;
export const maxSecretsBytes = 512 << 10;

export function createSecretVault({ rows, keys, log }: { rows: SecretRows; keys: MachineKeys; log: Log }): SecretVault {
  const dataKeys = createDataKeys(rows, keys);
  /** Whose secrets could not be opened when they were last needed. */
  const closed = new Set<TenantName>();

  function sealSecret(dataKey: DataKeyRow, key: Buffer, secret: Omit<SecretRow, 'sealed' | 'keyVersion'>, value: Buffer): SecretRow {
    const row = { ...secret, keyVersion: dataKey.version };
    return { ...row, sealed: seal(key, value, bindingOf(dataKey.tenant, row)) };
  }

  function openSecret(tenant: TenantName, key: Buffer, row: SecretRow): Buffer {
    const value = unseal(key, row.sealed, bindingOf(tenant, row));
    if (value) return value;
    const at = row.app === '' ? tenant : `${tenant}/${row.app}`;
    const message = `the secret ${row.name} of ${at} was changed, or moved from elsewhere`;
    throw new TenantdError('TENANTD_E_SECRETS', message, `set it again: tenantctl secret set ${at} ${row.name}`);
  }

  function openAll<Result>(tenant: TenantName, secrets: readonly SecretRow[], use: (values: Buffer[]) => Result): Result {
    return dataKeys.open(dataKeyOf(tenant), (key) => {
      const values: Buffer[] = [];
      try {
        for (const row of secrets) values.push(openSecret(tenant, key, row));
        return use(values);
      } finally {
        for (const value of values) value.fill(0);
      }
    });
  }

  function dataKeyOf(tenant: TenantName): DataKeyRow {
    const row = rows.dataKeyOf(tenant);
    if (row) return row;
    throw new TenantdError('TENANTD_E_SECRETS', `the data key of ${tenant} is missing`, 'restore the state store from a backup');
  }

  function reseal(tenant: TenantName, secrets: readonly SecretRow[], values: readonly Buffer[]): void {
    dataKeys.make(tenant, dataKeyOf(tenant).version + 1, (key, dataKey) =>
      rows.replace(
        dataKey,
        secrets.map((secret, index) => sealSecret(dataKey, key, secret, values[index] ?? Buffer.alloc(0))),
      ),
    );
  }

  /** Remembers how it went. */
  function noting<Result>(tenant: TenantName, work: () => Result): Result {
    try {
      const result = work();
      closed.delete(tenant);
      return result;
    } catch (error) {
      closed.add(tenant);
      throw error;
    }
  }

  function handOver(tenant: TenantName, app: AppName): Buffer {
    const secrets = rows.forApp(tenant, app);
    if (secrets.length === 0) return encodeHandOver([]);
    return openAll(tenant, secrets, (values) =>
      encodeHandOver(secrets.map(({ name }, index) => ({ name, value: values[index] ?? Buffer.alloc(0) }))),
    );
  }

  function whyClosed(tenant: TenantName): Problem | undefined {
    const secrets = rows.of(tenant);
    try {
      noting(tenant, () => secrets.length > 0 && openAll(tenant, secrets, () => undefined));
      return undefined;
    } catch (error) {
      if (error instanceof TenantdError) return { code: error.code, message: error.message, fix: error.fix };
      return { code: 'TENANTD_E_SECRETS', message: messageOf(error), fix: 'see the log of the daemon' };
    }
  }

  return {
    set(tenant, { app, name, value, by }) {
      assertRoom(tenant, rows.of(tenant), { app, name, bytes: value.length });
      const secret = { app, name, revision: randomBytes(8).toString('hex'), setAt: new Date().toISOString(), setBy: by };
      const present = rows.dataKeyOf(tenant);
      const store = (key: Buffer, dataKey: DataKeyRow): void => rows.put(dataKey, sealSecret(dataKey, key, secret, value));
      try {
        if (present) dataKeys.open(present, (key) => store(key, present));
        else dataKeys.make(tenant, 1, store);
      } finally {
        value.fill(0);
      }
    },
    reveal(tenant, use) {
      const secrets = rows.of(tenant);
      if (secrets.length === 0) return use([]);
      return openAll(tenant, secrets, (values) =>
        use(secrets.map(({ app, name }, index) => ({ app, name, value: values[index] ?? Buffer.alloc(0) }))),
      );
    },
    handOver: (tenant, app) => noting(tenant, () => handOver(tenant, app)),
    rotateDataKey(tenant) {
      const secrets = rows.of(tenant);
      if (secrets.length > 0) openAll(tenant, secrets, (values) => reseal(tenant, secrets, values));
      return secrets.length;
    },
    rotateMachineKey: dataKeys.rotateMachineKey,
    takeUp() {
      try {
        dataKeys.finishRotation();
      } catch (error) {
        log.error({ error: messageOf(error) }, "a rotation of the machine's key could not be ended: it is tried again at the next start");
      }
      for (const { tenant } of rows.dataKeys()) whyClosed(tenant);
    },
    problems(tenant) {
      const problem = closed.has(tenant) ? whyClosed(tenant) : undefined;
      return problem ? [problem] : [];
    },
  };
}

function bindingOf(tenant: TenantName, { app, name, revision, keyVersion }: Omit<SecretRow, 'sealed'>): (string | number)[] {
  return ['secret', tenant, app, name, revision, keyVersion];
}

function assertRoom(tenant: TenantName, present: readonly SecretRow[], added: { app: SecretScope; name: string; bytes: number }): void {
  const others = present.filter(({ app, name }) => app !== added.app || name !== added.name);
  const bytes = others.reduce((sum, { sealed }) => sum + sealed.length - sealBytes, added.bytes);
  if (others.length < maxSecrets && bytes <= maxSecretsBytes) return;
  const message = `${tenant} may have ${maxSecrets} secrets, of ${maxSecretsBytes >> 10} KiB together`;
  throw new TenantdError('TENANTD_E_TOO_MANY', message, `remove some: tenantctl secret list ${tenant}`);
}
