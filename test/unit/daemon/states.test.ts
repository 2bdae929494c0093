import { describe, expect, test } from 'vitest';
import { appSightings, appTransitions } from '../../../src/daemon/app-states.ts';
import { createLife } from '../../../src/daemon/life.ts';
import type { TenantState } from '../../../src/protocol/control.ts';
import { tenantSightings, tenantTransitions } from '../../../src/daemon/tenant-states.ts';

const tables = {
  app: { table: appTransitions, sightings: appSightings },
  tenant: { table: tenantTransitions, sightings: tenantSightings },
};

describe.each(Object.entries(tables))('the table of %s states', (_, { table, sightings }) => {
  const states = Object.keys(table);
  const rows = Object.values(table) as Record<string, string>[];

  test('has a cell for each state and each sighting, and nothing else', () => {
    for (const row of rows) {
      expect(Object.keys(row)).toEqual([...sightings]);
      for (const next of Object.values(row)) expect(states).toContain(next);
    }
  });

  test('settles: the same seen twice is the state that it made', () => {
    for (const row of rows)
      for (const [sighting, next] of Object.entries(row))
        expect((table as Record<string, Record<string, string>>)[next]?.[sighting]).toBe(next);
  });
});

test('every app state but that it is given can be left, and be come to', () => {
  const reached = new Set(Object.values(appTransitions).flatMap((row) => Object.values(row)));
  expect([...reached].sort()).toEqual(Object.keys(appTransitions).sort());
});

describe('an app', () => {
  const see = (...sightings: (typeof appSightings)[number][]): string => {
    const life = createLife(appTransitions, 'starting', () => 0);
    for (const sighting of sightings) life.see(sighting);
    return life.state;
  };

  test('that failed stays so while it is tried again', () => expect(see('failing', 'beginning')).toBe('failed'));
  test('that failed too often stays left alone while it is tried again', () =>
    expect(see('failing', 'left-alone', 'beginning', 'failing')).toBe('quarantined'));
  test('that serves is fine, whatever it was before', () => expect(see('left-alone', 'beginning', 'serving')).toBe('running'));
  test('that lost its workers is starting', () => expect(see('serving', 'beginning')).toBe('starting'));
  test('that was asleep is starting when it is woken', () => expect(see('serving', 'asleep', 'beginning')).toBe('starting'));
});

test('a tenant that the operator suspends is that from any state, and begins anew when it is resumed', () => {
  for (const state of Object.keys(tenantTransitions) as TenantState[]) {
    const life = createLife(tenantTransitions, state, () => 0);
    life.see('suspended');
    expect(life.state).toBe('suspended');
    life.see('beginning');
    expect(life.state).toBe('starting');
  }
});

test('a state has the time since which it is', () => {
  let nowMs = 5;
  const life = createLife(appTransitions, 'starting', () => nowMs);
  nowMs = 7;
  expect(life.see('beginning')).toBe(false);
  expect(life.sinceMs).toBe(5);
  expect(life.see('serving')).toBe(true);
  expect(life).toMatchObject({ state: 'running', sinceMs: 7 });
});
