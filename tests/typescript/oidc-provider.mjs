// An authorization server: `oidc-provider`, as a company would run it, with its pages for tests, which let anybody in.
//
//     node oidc-provider.mjs PORT SECONDS
//
// Tokens are JWTs for the resource that is asked for, and live SECONDS. Whoever asks may register. `GET /counts` says how often
// each endpoint was used with which grant.

import Provider from "oidc-provider";

const [port, seconds] = process.argv.slice(2).map(Number);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  // A login and the agreement of the user by two forms.
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // Of a resource each client may have what the two scopes allow.
      getResourceServerInfo: (_context, resource) => ({
        scope: "notes:read notes:write",
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: seconds,
      }),
      useGrantedResource: () => true,
    },
  },
  scopes: ["openid", "offline_access"],
  // By the protocol's text, a client asks for `offline_access` without `prompt=consent`, which OpenID Connect wants with it.
  issueRefreshToken: (_context, client) => client.grantTypeAllowed("refresh_token"),
  clients: [
    {
      client_id: "gateway",
      client_secret: "secret-of-the-gateway",
      redirect_uris: ["https://gateway.example/callback"],
    },
  ],
  clientBasedCORS: () => true,
  cookies: { keys: ["of a test"] },
  pkce: { required: () => true },
  ttl: { AccessToken: seconds, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});
provider.on("server_error", (_context, error) => console.error(error));

const counts = {};
provider.use(async (context, next) => {
  if (context.path === "/counts") {
    context.body = counts;
    return;
  }
  await next();
  const grant = context.oidc?.params?.grant_type;
  const name = [context.method, context.path, grant].filter(Boolean).join(" ");
  counts[name] = (counts[name] ?? 0) + 1;
});
provider.listen(port, "127.0.0.1");
