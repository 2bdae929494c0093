import { defineConfig } from 'vitest/config';

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

export default defineConfig({
  test: {
    projects: [
      // Two at a time also on two cores, where vitest would take one: they mostly wait.
      project('unit', { maxWorkers: 2, testTimeout: 20_000 }),
      project('integration', { maxWorkers: 2, testTimeout: 20_000 }),
      // One file after another: they make users, groups and namespaces, and two cores are soon busy.
      project('root', {
        globalSetup: 'test/support/build.ts',
        testTimeout: 60_000,
        hookTimeout: 60_000,
        fileParallelism: false,
        sequence: { groupOrder: 1 },
      }),
      project('e2e', {
        globalSetup: 'test/support/build.ts',
        testTimeout: 120_000,
        hookTimeout: 120_000,
        fileParallelism: false,
        sequence: { groupOrder: 2 },
      }),
    ],
  },
});
