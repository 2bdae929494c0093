declare const TENANTD_VERSION: string | undefined;

/** The package's version, put in by the build; `dev` where unbuilt source runs (unit tests). */
export const version = typeof TENANTD_VERSION === 'string' ? TENANTD_VERSION : 'dev';
