import { describe, expect, test } from 'vitest';
import { applyLimits, filesOf, limitsSchema, planSchema } from '../../../src/config/plans.ts';

describe('how many files a tenant may have', () => {
  test.each([
    ['1G', 65_536],
    ['100M', 6_400],
    ['1M', 1_000],
    ['1024T', 4_000_000_000],
  ])('follows from a disk of %s where the plan does not say it', (disk, files) => {
    expect(filesOf(planSchema.parse({ disk }))).toBe(files);
  });

  test('is what the plan says, whatever the disk', () => {
    expect(filesOf(planSchema.parse({ disk: '1G', files: 500 }))).toBe(500);
  });

  test("follows from the tenant's own disk, when that is another than the plan's", () => {
    expect(filesOf(applyLimits(planSchema.parse({ disk: '1G' }), limitsSchema.parse({ disk: '4G' })))).toBe(262_144);
  });

  test("is the tenant's own number before the plan's", () => {
    expect(filesOf(applyLimits(planSchema.parse({ files: 500 }), limitsSchema.parse({ files: 900 })))).toBe(900);
  });

  test.each([99, 4_000_000_001, 1.5, '1K'])('is no %s', (files) => {
    expect(planSchema.safeParse({ files }).success).toBe(false);
  });
});
