import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { TenantdError } from '../../../src/base/errors.ts';
import { createScheduleWorld, scheduleSpec, seven, start } from './schedule-world.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const acme = 'acme' as TenantName;
const digest = { tenant: acme, app: 'site' as AppName, name: 'digest' };

function worldWith(changes: Parameters<typeof scheduleSpec>[0] = {}, wallMs: number = start) {
  const world = createScheduleWorld(wallMs);
  world.want('acme', { site: { schedules: [scheduleSpec(changes)] } });
  world.start();
  return { world, acme: world.tenantOf('acme'), clock: world.clock };
}

const everyMinute = { cron: '* * * * *' };

describe('at its time', () => {
  test('an app is woken, asked, and kept awake until its host tells of the end', async () => {
    const { world, acme: tenant, clock } = worldWith();
    await clock.advance(29_999);
    expect([tenant.asked.length, tenant.state.woken]).toEqual([0, 0]);
    await clock.advance(1);
    expect(tenant.asked).toEqual([
      { app: 'site', runId: `site.digest.${seven}`, schedule: 'digest', path: '/jobs/digest', timeoutMs: 300_000 },
    ]);
    expect([tenant.state.awake, world.outcomes()]).toEqual([1, ['running']]);
    world.tell('acme', { outcome: 'done', status: 204 });
    expect([tenant.state.awake, world.outcomes()]).toEqual([0, ['done']]);
    expect(world.rows.run(digest, seven)).toMatchObject({ status: 204, durationMs: 12, cause: 'time', startedAtMs: seven });
    await clock.advance(day - 1);
    expect(tenant.asked).toHaveLength(1);
    await clock.advance(1);
    expect(tenant.asked).toHaveLength(2);
  });

  test('nothing is asked before the host is there, though the app serves', async () => {
    const { world, acme: tenant, clock } = worldWith();
    tenant.state.configured = false;
    await clock.advance(minute);
    expect([tenant.state.awake, tenant.asked.length, world.outcomes()]).toEqual([1, 0, ['running']]);
    tenant.state.configured = true;
    tenant.waiters.notify();
    await clock.advance(0);
    expect(tenant.asked).toHaveLength(1);
  });

  test('one timer waits for all there is', async () => {
    const world = createScheduleWorld();
    for (let index = 0; index < 50; index++)
      world.want(`t${index}`, {
        site: { schedules: [scheduleSpec({ cron: `${index} 8 * * *` }), scheduleSpec({ name: 'b', cron: '1 2 3 4 *' })] },
      });
    world.start();
    expect(world.clock.timers()).toBe(1);
    await world.clock.advance(2 * hour);
    expect(world.clock.timers()).toBe(1);
    expect([...world.tenants.values()].map(({ asked }) => asked.length)).toEqual(Array.from({ length: 50 }, () => 1));
  });

  test('a thousand tenants begin eight at a time, and all of them', async () => {
    const world = createScheduleWorld();
    for (let index = 0; index < 1_000; index++) world.want(`t${index}`, { site: { schedules: [scheduleSpec()] } });
    world.start();
    const all = [...world.tenants.keys()];
    const running = (): string[] => all.filter((name) => (world.tenants.get(name)?.state.awake ?? 0) > 0);
    const told = new Set<string>();
    let most = 0;
    for (let second = 0; second < 200; second++) {
      await world.clock.advance(1_000);
      const now = running();
      most = Math.max(most, now.length);
      for (const name of now) {
        told.add(name);
        world.tell(name, { outcome: 'done' });
      }
    }
    expect([most, told.size]).toEqual([8, 1_000]);
    expect([...world.tenants.values()].every(({ asked }) => asked.length === 1)).toBe(true);
  });

  test('runs that take long do not hold up those of others', async () => {
    const world = createScheduleWorld();
    for (let index = 0; index < 20; index++) world.want(`t${index}`, { site: { schedules: [scheduleSpec({ timeoutMs: day })] } });
    world.start();
    await world.clock.advance(30_000 + 70_000);
    expect([...world.tenants.values()].filter(({ asked }) => asked.length === 1)).toHaveLength(20);
  });

  test('a tenant has four runs at once, and the rest when these have ended', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 6 }, (_, index) => scheduleSpec({ name: `s${index}` }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(5 * minute);
    expect(world.tenantOf('acme').asked).toHaveLength(4);
    world.tell('acme', { outcome: 'done' }, 0);
    await world.clock.advance(0);
    expect(world.tenantOf('acme').asked).toHaveLength(5);
  });
});

describe('a run', () => {
  test('that goes on keeps the next from beginning', async () => {
    const { world, acme: tenant, clock } = worldWith(everyMinute);
    await clock.advance(3 * minute);
    expect(tenant.asked).toHaveLength(1);
    expect(world.outcomes()).toEqual(['skipped', 'skipped', 'running']);
    world.tell('acme', { outcome: 'done' });
    await clock.advance(minute);
    expect(tenant.asked).toHaveLength(2);
  });

  test('may overlap the next by choice', async () => {
    const { world, acme: tenant, clock } = worldWith({ ...everyMinute, overlap: 'allow' });
    await clock.advance(3 * minute);
    expect(tenant.asked.map(({ runId }) => runId)).toEqual([0, 1, 2].map((count) => `site.digest.${seven + count * minute}`));
    world.tell('acme', { outcome: 'failed', status: 500, detail: 'answered 500' }, 0);
    world.tell('acme', { outcome: 'done' }, 2);
    expect(world.outcomes()).toEqual(['done', 'running', 'failed']);
    expect(tenant.state.awake).toBe(1);
  });

  test('that may overlap has no more than four, and one that waits', async () => {
    const { world, acme: tenant, clock } = worldWith({ ...everyMinute, overlap: 'allow', timeoutMs: day });
    await clock.advance(10 * minute);
    expect(tenant.asked).toHaveLength(4);
    expect(world.outcomes().filter((outcome) => outcome === 'waiting')).toHaveLength(1);
  });

  test.each([
    ['failed', 'answered 500'],
    ['timeout', 'no answer within 300 s'],
  ] as const)('that %s is a problem until the next that goes well', async (outcome, detail) => {
    const { world, clock } = worldWith();
    await clock.advance(minute);
    world.tell('acme', { outcome, detail });
    expect(world.schedules().problems(acme)).toMatchObject([
      { code: 'TENANTD_E_SCHEDULE_FAILED', app: 'site', message: expect.stringContaining(detail) },
    ]);
    await clock.advance(day);
    expect(world.schedules().problems(acme)).toHaveLength(1);
    world.tell('acme', { outcome: 'done' });
    expect(world.schedules().problems(acme)).toEqual([]);
  });

  test('of an app that does not start has failed, and says why', async () => {
    const { world, acme: tenant, clock } = worldWith();
    tenant.state.ready = () => Promise.reject(new Error('exited with code 1'));
    await clock.advance(minute);
    expect([world.outcomes(), tenant.state.awake, tenant.asked.length]).toEqual([['failed'], 0, 0]);
    expect(world.rows.run(digest, seven)?.detail).toBe('the app did not start: exited with code 1');
  });

  test('that the host refuses has failed; of one that it does not answer it may tell later', async () => {
    const { world, acme: tenant, clock } = worldWith(everyMinute);
    tenant.refusals.push(new Error('there is no such app'));
    await clock.advance(minute);
    expect(world.rows.run(digest, seven)).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('no such app') });
    tenant.refusals.push(new TenantdError('TENANTD_E_TIMEOUT', 'not answered', ''));
    await clock.advance(minute);
    expect(world.outcomes()).toEqual(['running', 'failed']);
    const event = { app: 'site' as AppName, runId: `site.digest.${seven + minute}`, outcome: 'done', durationMs: 1 } as const;
    world.schedules().ended(acme, event);
    expect(world.outcomes()).toEqual(['done', 'failed']);
  });

  test('of which nobody tells in time is lost', async () => {
    const { world, acme: tenant, clock } = worldWith({ timeoutMs: 10 * minute });
    await clock.advance(30_000 + 10 * minute);
    expect(world.outcomes()).toEqual(['running']);
    await clock.advance(2 * minute);
    expect([world.outcomes(), tenant.state.awake]).toEqual([['lost'], 0]);
    world.tell('acme', { outcome: 'done' });
    expect(world.outcomes()).toEqual(['lost']);
  });

  test.each<[string, { alive?: boolean; pid?: number }]>([
    ['ended', { alive: false }],
    ['is another', { pid: 4_712 }],
  ])('whose host %s is lost', async (_what, change) => {
    const { world, acme: tenant, clock } = worldWith();
    await clock.advance(minute);
    world.schedules().sync(acme);
    expect(world.outcomes()).toEqual(['running']);
    Object.assign(tenant.state, change);
    world.schedules().sync(acme);
    expect([world.outcomes(), tenant.state.awake]).toEqual([['lost'], 0]);
  });

  test('is told by its own host alone, once, and under its own name', async () => {
    const { world, clock } = worldWith();
    world.want('globex', { site: { schedules: [scheduleSpec({ cron: '0 9 * * *' })] } });
    await clock.advance(minute);
    const event = { app: 'site' as AppName, runId: `site.digest.${seven}`, outcome: 'failed', durationMs: 1 } as const;
    world.schedules().ended('globex' as TenantName, event);
    world.schedules().ended(acme, { ...event, app: 'api' as AppName });
    world.schedules().ended(acme, { ...event, runId: 'site.digest.1' });
    world.schedules().ended(acme, { ...event, runId: '../../digest' });
    expect(world.outcomes()).toEqual(['running']);
    world.tell('acme', { outcome: 'done' });
    world.schedules().ended(acme, event);
    expect(world.outcomes()).toEqual(['done']);
  });

  test('is told by no host before it began', async () => {
    const world = createScheduleWorld();
    world.want('acme', { site: { schedules: Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}` })) } });
    world.start();
    await world.clock.advance(minute);
    for (let index = 0; index < 5; index++) {
      if (world.outcomes('acme', 'site', `s${index}`)[0] !== 'waiting') continue;
      world.schedules().ended(acme, { app: digest.app, runId: `site.s${index}.${seven}`, outcome: 'done', durationMs: 1 });
    }
    expect(world.outcomes().toSorted()).toEqual(['running', 'running', 'running', 'running', 'waiting']);
  });

  test('that was lost while its app was woken is not begun any more', async () => {
    const { world, acme: tenant, clock } = worldWith();
    const { promise, resolve } = Promise.withResolvers<void>();
    tenant.state.ready = () => promise;
    await clock.advance(20 * minute);
    expect(world.outcomes()).toEqual(['lost']);
    resolve();
    await clock.advance(minute);
    expect([tenant.asked.length, tenant.state.awake, world.outcomes()]).toEqual([0, 0, ['lost']]);
  });

  test('has words of a length that can be kept', async () => {
    const { world, clock } = worldWith();
    await clock.advance(minute);
    world.tell('acme', { outcome: 'failed', detail: 'x'.repeat(500) });
    expect(world.rows.run(digest, seven)?.detail).toHaveLength(300);
  });
});

describe('a deploy in the middle of a run', () => {
  test('does not run it again', async () => {
    const { world, acme: tenant, clock } = worldWith();
    await clock.advance(minute);
    world.want('acme', { site: { schedules: [scheduleSpec({ path: '/new' })] } });
    world.want('acme', { site: { schedules: [] } });
    world.want('acme', { site: { schedules: [scheduleSpec({ path: '/new' })] } });
    await clock.advance(4 * minute);
    expect(tenant.asked).toHaveLength(1);
    world.tell('acme', { outcome: 'done' });
    expect(world.outcomes()).toEqual(['done']);
    await clock.advance(day);
    expect(tenant.asked.map(({ path }) => path)).toEqual(['/jobs/digest', '/new']);
  });
});

describe('schedules of an app that is stopped', () => {
  test('do not run, and what came meanwhile is not made up for', async () => {
    const { world, acme: tenant, clock } = worldWith({ missed: 'run' });
    world.want('acme', { site: { schedules: [scheduleSpec({ missed: 'run' })], enabled: false } });
    await clock.advance(3 * day);
    expect([tenant.state.woken, tenant.asked.length, world.outcomes()]).toEqual([0, 0, []]);
    world.want('acme', { site: { schedules: [scheduleSpec({ missed: 'run' })] } });
    await clock.advance(29_000);
    expect(tenant.asked).toEqual([]);
    await clock.advance(1_000);
    expect(tenant.asked).toHaveLength(1);
  });

  test('do not begin when they waited', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}` }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(minute);
    world.want('acme', { site: { schedules, enabled: false } });
    for (const index of [0, 1, 2, 3]) world.tell('acme', { outcome: 'done' }, index);
    await world.clock.advance(minute);
    expect(world.tenantOf('acme').asked).toHaveLength(4);
    expect(world.outcomes().toSorted()).toEqual(['done', 'done', 'done', 'done', 'skipped']);
  });
});

describe('when tenantd was not there', () => {
  test('a time that was missed is told, and not made up for', async () => {
    const { world, acme: tenant, clock } = worldWith();
    world.kill();
    await clock.advance(2 * day);
    world.restart();
    await clock.advance(20_000);
    expect([tenant.asked.length, world.outcomes()]).toEqual([0, ['missed']]);
  });

  test('it is made up for once, by choice', async () => {
    const { world, acme: tenant, clock } = worldWith({ missed: 'run' });
    world.kill();
    await clock.advance(3 * day);
    for (let count = 0; count < 3; count++) {
      world.restart();
      await clock.advance(minute);
    }
    expect(tenant.asked.map(({ runId }) => runId)).toEqual([`site.digest.${seven + 2 * day}`]);
    expect(world.rows.run(digest, seven + 2 * day)?.cause).toBe('missed');
  });

  test('for the time of a restart, what came is in time', async () => {
    const { world, acme: tenant, clock } = worldWith();
    world.kill();
    await clock.advance(minute);
    world.restart();
    await clock.advance(0);
    expect(tenant.asked).toHaveLength(1);
  });

  test('a schedule that is new since misses nothing', async () => {
    const { world, acme: tenant, clock } = worldWith();
    world.kill();
    await clock.advance(day);
    world.restart();
    world.want('globex', { site: { schedules: [scheduleSpec({ missed: 'run' })] } });
    await clock.advance(20_000);
    expect([tenant.asked.length, world.tenantOf('globex').asked.length]).toEqual([0, 0]);
  });
});

describe('a daemon that is killed', () => {
  test('while a run goes on: the next one keeps the app awake, and hears of the end', async () => {
    const { world, acme: tenant, clock } = worldWith();
    await clock.advance(minute);
    world.kill();
    tenant.state.awake = 0;
    world.restart();
    await clock.advance(minute);
    expect([tenant.state.awake, world.outcomes()]).toEqual([1, ['running']]);
    world.tell('acme', { outcome: 'done' });
    expect([tenant.state.awake, world.outcomes(), tenant.asked.length]).toEqual([0, ['done'], 1]);
  });

  test('before the host was asked: it is asked by the next one', async () => {
    const { world, acme: tenant, clock } = worldWith();
    tenant.state.configured = false;
    await clock.advance(minute);
    world.kill();
    tenant.state.configured = true;
    world.restart();
    await clock.advance(minute);
    expect([tenant.asked.length, world.outcomes()]).toEqual([1, ['running']]);
  });

  test('and is not there yet: it is asked as soon as it is', async () => {
    const { world, acme: tenant, clock } = worldWith();
    tenant.state.configured = false;
    await clock.advance(minute);
    world.kill();
    world.restart(true);
    await clock.advance(minute);
    expect(tenant.asked).toEqual([]);
    tenant.state.configured = true;
    world.schedules().sync(acme);
    world.schedules().sync(acme);
    await clock.advance(0);
    expect([tenant.asked.length, world.outcomes()]).toEqual([1, ['running']]);
  });

  test('before a run began, and slow to know what is wanted: it begins then', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}` }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(minute);
    world.kill();
    world.restart(true);
    for (const index of [0, 1, 2, 3]) world.tell('acme', { outcome: 'done' }, index);
    await world.clock.advance(10 * minute);
    expect(world.outcomes()).toContain('waiting');
    world.schedules().sync(acme);
    await world.clock.advance(minute);
    expect(world.tenantOf('acme').asked).toHaveLength(5);
  });

  test('with the tenant host: the run is lost, and not begun again', async () => {
    const { world, acme: tenant, clock } = worldWith({ missed: 'run' });
    await clock.advance(minute);
    world.kill();
    tenant.state.alive = false;
    world.restart();
    await clock.advance(hour);
    expect([tenant.asked.length, world.outcomes()]).toEqual([1, ['lost']]);
    expect(world.schedules().problems(acme)).toHaveLength(1);
  });

  test('and a tenant that is gone afterwards: what waited is skipped, what ran is lost', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}` }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(minute);
    world.kill();
    world.want('acme', undefined);
    world.restart();
    await world.clock.advance(minute);
    expect(world.outcomes().toSorted()).toEqual(['lost', 'lost', 'lost', 'lost', 'skipped']);
  });

  test('before a run began: the next one begins it', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}` }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(minute);
    expect(world.outcomes()).toContain('waiting');
    world.kill();
    await world.clock.advance(10 * minute);
    world.restart();
    for (const index of [0, 1, 2, 3]) world.tell('acme', { outcome: 'done' }, index);
    await world.clock.advance(minute);
    expect(
      world
        .tenantOf('acme')
        .asked.map(({ schedule }) => schedule)
        .toSorted(),
    ).toEqual(['s0', 's1', 's2', 's3', 's4']);
  });

  test('and what had waited for hours is missed, as if it had not been there', async () => {
    const world = createScheduleWorld();
    const schedules = Array.from({ length: 5 }, (_, index) => scheduleSpec({ name: `s${index}`, missed: index === 0 ? 'run' : 'skip' }));
    world.want('acme', { site: { schedules } });
    world.start();
    await world.clock.advance(minute);
    world.kill();
    await world.clock.advance(2 * hour);
    world.tenantOf('acme').state.alive = false;
    world.restart();
    await world.clock.advance(minute);
    const waited = schedules.filter(
      ({ name }) =>
        !world
          .tenantOf('acme')
          .asked.slice(0, 4)
          .some(({ schedule }) => schedule === name),
    );
    expect(waited.map(({ name }) => world.outcomes('acme', 'site', name))).toEqual([['missed']]);
  });

  test('in the middle of anything never makes a run twice, nor leaves one open for ever', async () => {
    let killed = 0;
    for (let step = 1; step < 40; step++) {
      const { world, acme: tenant, clock } = worldWith({ ...everyMinute, missed: 'run' });
      world.kill(step);
      await clock.advance(minute).catch(() => {});
      const wasKilled = world.isKilled();
      tenant.state.awake = 0;
      world.restart();
      for (let count = 0; count < 20; count++) {
        await clock.advance(minute);
        for (const index of tenant.asked.keys()) world.tell('acme', { outcome: 'done' }, index);
      }
      const ids = tenant.asked.map(({ runId }) => runId);
      expect(new Set(ids).size, `killed at step ${step}`).toBe(ids.length);
      expect(world.rows.open(), `killed at step ${step}`).toEqual([]);
      expect(tenant.state.awake, `killed at step ${step}`).toBe(0);
      expect(world.outcomes().length, `killed at step ${step}`).toBeGreaterThanOrEqual(20);
      killed += Number(wasKilled);
    }
    expect(killed).toBeGreaterThan(5);
  });
});

describe('a clock that is set', () => {
  const tellAll = ({ world, acme: tenant }: ReturnType<typeof worldWith>): void => {
    for (const index of tenant.asked.keys()) world.tell('acme', { outcome: 'done' }, index);
  };

  test.each([10 * minute, hour, 26 * hour])('back by %d ms runs nothing twice', async (backMs) => {
    const setting = worldWith({}, seven - 30_000);
    const { acme: tenant, clock } = setting;
    await clock.advance(minute);
    tellAll(setting);
    clock.set(clock.wallMs() - backMs);
    for (let elapsed = 0; elapsed < backMs + hour; elapsed += hour) {
      await clock.advance(hour);
      tellAll(setting);
    }
    const ids = tenant.asked.map(({ runId }) => runId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id === `site.digest.${seven}`)).toHaveLength(1);
  });

  test('from far in the future to now does not keep schedules waiting for the future', async () => {
    const setting = worldWith({}, seven + 1_000 * day - 30_000);
    await setting.clock.advance(minute);
    tellAll(setting);
    setting.clock.set(start - hour);
    await setting.clock.advance(hour + minute);
    expect(setting.acme.asked.map(({ runId }) => runId)).toEqual([`site.digest.${seven + 1_000 * day}`, `site.digest.${seven}`]);
    tellAll(setting);
    setting.world.restart();
    await setting.clock.advance(day);
    expect(setting.acme.asked).toHaveLength(3);
  });

  test('forward past a time has missed it', async () => {
    const { world, acme: tenant, clock } = worldWith();
    clock.set(seven + hour);
    await clock.advance(30_000);
    expect([tenant.asked.length, world.outcomes()]).toEqual([0, ['missed']]);
  });

  test('while a run goes on or waits changes nothing about it', async () => {
    const { world, clock } = worldWith({ timeoutMs: hour });
    await clock.advance(minute);
    clock.set(seven + 30 * day);
    await clock.advance(50 * minute);
    clock.set(seven - 30 * day);
    await clock.advance(9 * minute);
    world.tell('acme', { outcome: 'done' });
    expect(world.rows.run(digest, seven)?.outcome).toBe('done');
  });
});

describe('a store that can not be written', () => {
  test('keeps runs from beginning, and not for good', async () => {
    const { world, acme: tenant, clock } = worldWith({ missed: 'run' });
    const restore = world.fillDisk('claim');
    world.restart();
    await clock.advance(10 * minute);
    expect(tenant.asked).toEqual([]);
    expect(world.entries.some(({ message }) => message.includes('can not be stored'))).toBe(true);
    restore();
    world.restart();
    await clock.advance(minute);
    expect(tenant.asked).toHaveLength(1);
  });

  test('has the end of a run as soon as it can be; its app may sleep meanwhile', async () => {
    const { world, acme: tenant, clock } = worldWith();
    const restore = world.fillDisk('end');
    await clock.advance(minute);
    world.tell('acme', { outcome: 'failed', detail: 'no' });
    await clock.advance(10 * minute);
    expect([tenant.state.awake, world.outcomes()]).toEqual([0, ['running']]);
    restore();
    await clock.advance(minute);
    expect(world.rows.run(digest, seven)).toMatchObject({ outcome: 'failed', detail: 'no' });
  });

  test('has it from the host once more, when the daemon was killed meanwhile', async () => {
    const { world, acme: tenant, clock } = worldWith();
    const restore = world.fillDisk('end');
    await clock.advance(minute);
    world.tell('acme', { outcome: 'done' });
    world.kill();
    restore();
    world.restart();
    await clock.advance(0);
    expect([tenant.asked.length, world.outcomes()]).toEqual([1, ['running']]);
    world.tell('acme', { outcome: 'done' });
    expect(world.outcomes()).toEqual(['done']);
  });
});

describe('by hand', () => {
  test('a schedule runs at once, and its own time stays', async () => {
    const { world, acme: tenant, clock } = worldWith();
    const { row, ended } = world.schedules().runNow(digest);
    await clock.advance(0);
    expect([row.cause, row.dueAtMs, tenant.asked.length]).toEqual(['manual', start, 1]);
    world.tell('acme', { outcome: 'failed', detail: 'no' });
    expect(await ended).toMatchObject({ outcome: 'failed', detail: 'no' });
    await clock.advance(minute);
    expect(tenant.asked).toHaveLength(2);
  });

  test('twice in one moment is two runs', async () => {
    const { world, acme: tenant, clock } = worldWith({ overlap: 'allow' });
    world.schedules().runNow(digest);
    await clock.advance(0);
    world.schedules().runNow(digest);
    await clock.advance(0);
    expect(tenant.asked.map(({ runId }) => runId)).toEqual([`site.digest.${start}`, `site.digest.${start + 1}`]);
  });

  test('it does not run beside itself', async () => {
    const { world, acme: tenant, clock } = worldWith();
    world.schedules().runNow(digest);
    await clock.advance(0);
    const second = world.schedules().runNow(digest);
    expect([second.row.outcome, (await second.ended).outcome, tenant.asked.length]).toEqual(['skipped', 'skipped', 1]);
  });

  test('there must be such a schedule, of an app that is not stopped', () => {
    const { world } = worldWith();
    expect(() => world.schedules().runNow({ ...digest, name: 'other' })).toThrow('acme/site has no schedule other');
    world.want('acme', { site: { schedules: [scheduleSpec()], enabled: false } });
    expect(() => world.schedules().runNow(digest)).toThrow('acme/site is stopped');
  });

  test('who waits for its end hears when tenantd ends', async () => {
    const { world, clock } = worldWith();
    const { ended } = world.schedules().runNow(digest);
    await clock.advance(0);
    world.schedules().close();
    await expect(ended).rejects.toThrow('tenantd ends');
    expect(clock.timers()).toBe(0);
  });
});

describe('what is shown', () => {
  test('is when it is due next, how it went, and what runs', async () => {
    const { world, clock } = worldWith();
    expect(world.schedules().statusOf(acme, digest.app)).toEqual([{ name: 'digest', next: '2026-11-21T07:00:00.000Z' }]);
    await clock.advance(minute);
    const [shown] = world.schedules().list(acme);
    expect(shown).toMatchObject({
      tenant: 'acme',
      app: 'site',
      cron: '0 7 * * *',
      open: [{ outcome: 'running' }],
      next: '2026-11-22T07:00:00.000Z',
    });
    world.tell('acme', { outcome: 'done', status: 200 });
    expect(world.schedules().list(acme)).toMatchObject([{ open: [], last: { outcome: 'done', status: 200, durationMs: 12 } }]);
    world.want('acme', { site: { schedules: [scheduleSpec()], enabled: false } });
    expect(world.schedules().statusOf(acme, digest.app)[0]).not.toHaveProperty('next');
  });
});
