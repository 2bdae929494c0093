import { describe, expect, test } from 'vitest';
import { layerProblems, type MissingLayer, probeLayer } from '../../../src/daemon/layers.ts';

const network = { layer: 'network', reason: 'unshare failed' };
const resources = { layer: 'resources', reason: 'no control groups' };

describe('the layers of a machine', () => {
  test('are no problem when none is missing, whatever could be waived', () => {
    expect(layerProblems([], ['network', 'root'])).toEqual({ problems: [], blocking: false, waived: [] });
  });

  test('stop every tenant when one is missing, with a problem that names it, why, and both ways out', () => {
    const { problems, blocking } = layerProblems([network], []);
    expect(blocking).toBe(true);
    expect(problems).toEqual([
      {
        code: 'TENANTD_E_LAYER_MISSING',
        message: 'the layer "network" can not be had: unshare failed',
        fix: 'mend the machine, or name "network" in isolation.without of tenantd.yaml',
      },
    ]);
  });

  test('may be missing when the operator named them, and that stays in sight', () => {
    const { problems, blocking } = layerProblems([network, resources], ['resources', 'network']);
    expect(blocking).toBe(false);
    expect(problems.map(({ code, message }) => [code, message])).toEqual([
      ['TENANTD_E_LAYER_WAIVED', 'runs without the layer "network": unshare failed'],
      ['TENANTD_E_LAYER_WAIVED', 'runs without the layer "resources": no control groups'],
    ]);
  });

  test('stop every tenant when another than the waived one is missing', () => {
    const { problems, blocking } = layerProblems([network, resources], ['network']);
    expect(blocking).toBe(true);
    expect(problems.map(({ code }) => code)).toEqual(['TENANTD_E_LAYER_WAIVED', 'TENANTD_E_LAYER_MISSING']);
  });

  test.each(['user', 'root', 'processes'])('stop every tenant when it is "%s", also where the operator named it', (layer) => {
    const { problems, blocking } = layerProblems([{ layer, reason: 'none' }], [layer]);
    // No way out is offered that is none.
    expect([blocking, problems.map(({ code, fix }) => [code, fix])]).toEqual([true, [['TENANTD_E_LAYER_MISSING', 'mend the machine']]]);
  });
});

describe('a probe of a layer', () => {
  test('gives what it found', async () => {
    const missing: MissingLayer[] = [];
    await expect(probeLayer('network', missing, () => 'value')).resolves.toBe('value');
    await expect(probeLayer('root', missing, () => Promise.resolve('later'))).resolves.toBe('later');
    expect(missing).toEqual([]);
  });

  test.each([
    ['throws', () => fail('unshare failed')],
    ['rejects', () => Promise.reject(new Error('unshare failed'))],
  ])('that %s is a missing layer', async (_, probe) => {
    const missing: MissingLayer[] = [resources];
    await expect(probeLayer('network', missing, probe)).resolves.toBeUndefined();
    expect(missing).toEqual([resources, network]);
  });
});

function fail(message: string): never {
  throw new Error(message);
}
