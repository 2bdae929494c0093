/** Where things are inside the sandbox of the resolver: apart from the schemas. */
export const resolverPaths = { controlSocket: '/run/tenantd/resolver/control.sock' } as const;
