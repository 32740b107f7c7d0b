// An authorization server: `oidc-provider`, with its own pages for tests, which let anybody in.
//
//     node oidc-provider.mjs PORT [REDIRECT_URI]
//
// REDIRECT_URI is that of a client `gateway`, whose secret is in the environment (PROVIDER_SECRET).
// Tokens are JWTs for the resource that is asked for. Whoever asks may register. `GET /counts` says how often each endpoint was
// used with which grant, and `GET /life/SECONDS` sets how long the tokens live that are given from then on.

import { json } from 'node:stream/consumers';

import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const redirectUri = process.argv[3];
const issuer = `http://127.0.0.1:${port}`;
let seconds = 3600;

/** Of a resource each client may have what two scopes allow. */
const resourceServer = (resource) => ({
    scope: 'notes:read notes:write',
    audience: resource,
    accessTokenFormat: 'jwt',
    accessTokenTTL: seconds,
});

const provider = new Provider(issuer, {
    features: {
        // A login and the agreement of the user, by a form each.
        devInteractions: { enabled: true },
        registration: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (_context, resource) => resourceServer(resource),
            useGrantedResource: () => true,
        },
    },
    clients: redirectUri
        ? [
              {
                  client_id: 'gateway',
                  client_secret: process.env.PROVIDER_SECRET,
                  redirect_uris: [redirectUri],
                  grant_types: ['authorization_code', 'refresh_token'],
              },
          ]
        : [],
    scopes: ['openid', 'offline_access'],
    // By the protocol's text, clients ask for `offline_access` without `prompt=consent`, which OpenID Connect wants with it.
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    cookies: { keys: ['of a test'] },
    pkce: { required: () => true },
    ttl: { Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});
provider.on('server_error', (_context, error) => console.error(error));

const counts = {};
provider.use(async (context, next) => {
    if (context.path === '/counts') {
        context.body = counts;
        return;
    }
    if (context.path.startsWith('/life/')) {
        seconds = Number(context.path.slice('/life/'.length));
        context.body = {};
        return;
    }
    if (context.method === 'POST' && context.path === '/reg') {
        // SDKs register the scopes of their first login, which this provider would hold them to for ever.
        const { scope, ...metadata } = await json(context.req);
        context.req.body = metadata;
    }
    await next();
    const grant = context.oidc?.params?.grant_type;
    const name = [context.method, context.path, grant].filter(Boolean).join(' ');
    counts[name] = (counts[name] ?? 0) + 1;
});
provider.listen(port, '127.0.0.1');
