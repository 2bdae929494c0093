export default {
  fetch(request) {
    const { hostname, pathname } = new URL(request.url);
    return Response.json({ greeting: process.env.GREETING, tenant: process.env.TENANTD_TENANT, hostname, pathname });
  },
};
