import { describe, expect, test } from 'vitest';
import { workerEvents, type WorkerPhase, workerPhases } from '../../../src/tenant/worker-phases.ts';

const phases = Object.keys(workerPhases) as WorkerPhase[];

describe('the phases of a worker', () => {
  test('have a next one for every event', () => {
    for (const phase of phases) {
      expect(Object.keys(workerPhases[phase])).toEqual([...workerEvents]);
      for (const event of workerEvents) expect(phases).toContain(workerPhases[phase][event]);
    }
  });

  test('lead to its end from each, and never back from there', () => {
    expect(phases.map((phase) => workerPhases[phase].stop)).toEqual(phases.map(() => 'stopping'));
    expect(workerEvents.map((event) => workerPhases.stopping[event])).toEqual(workerEvents.map(() => 'stopping'));
  });

  test('are ready only after starting: who fell ill does not get well', () => {
    const readyFrom = phases.filter((phase) => workerEvents.some((event) => workerPhases[phase][event] === 'ready'));
    expect(readyFrom).toEqual(['starting', 'ready']);
    expect(workerEvents.filter((event) => workerPhases.ready[event] === 'ready')).toEqual(['is-ready']);
  });

  test('get worse in one order: ready, unhealthy, deaf, hung', () => {
    const order: WorkerPhase[] = ['ready', 'unhealthy', 'deaf', 'hung'];
    for (const phase of order) {
      for (const event of ['is-unhealthy', 'is-deaf', 'is-hung'] as const) {
        expect(order.indexOf(workerPhases[phase][event])).toBeGreaterThanOrEqual(order.indexOf(phase));
      }
    }
  });
});
