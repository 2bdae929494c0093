import { z } from 'zod';

/** Of a tenant, an app, or a schedule. */
export const name: z.ZodString = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is [a-z][a-z0-9-]{0,31}');
export const appRef: z.ZodObject<{ tenant: z.ZodString; app: z.ZodString }, z.core.$strict> = z.strictObject({ tenant: name, app: name });
