declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantName = Branded<'TenantName'>;
export type AppName = Branded<'AppName'>;
/** Names one start of one worker: `<app>.<six characters>`, never used again. */
export type WorkerId = Branded<'WorkerId'>;

/** INTERFACE: tenant and app names. At most 32 characters keep Unix socket paths below 108 bytes (unix(7)). */
const namePattern = /^[a-z][a-z0-9-]{0,31}$/;

export function isTenantName(text: string): text is TenantName {
  return namePattern.test(text);
}

export function isAppName(text: string): text is AppName {
  return namePattern.test(text);
}
