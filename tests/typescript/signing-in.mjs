// The official client in TypeScript signs in to a server, and calls tools of it: node signing-in.mjs URL TOOL...
//
// The page is opened by `xdg-open`. For each tool one line of JSON says what it answered, or why it was refused.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

const [url, ...tools] = process.argv.slice(2);

/** The user's browser brings the answer here. */
const callback = http.createServer((_, response) => response.end('done')).listen(0, '127.0.0.1');
await once(callback, 'listening');

/** What a program remembers of its login. */
class Login {
    redirectUrl = `http://127.0.0.1:${callback.address().port}/callback`;
    clientMetadata = {
        client_name: 'TypeScript SDK',
        redirect_uris: [this.redirectUrl],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
    };
    clientInformation = () => this.client;
    saveClientInformation = (client) => void (this.client = client);
    tokens = () => this.kept;
    saveTokens = (tokens) => void (this.kept = tokens);
    codeVerifier = () => this.verifier;
    saveCodeVerifier = (verifier) => void (this.verifier = verifier);
    saveDiscoveryState = (state) => void (this.discovered = state);
    discoveryState = () => this.discovered;
    invalidateCredentials() {}

    redirectToAuthorization(page) {
        this.answer = once(callback, 'request').then(([request]) => new URL(request.url, url).searchParams);
        // It may run for longer than this program.
        execFile('xdg-open', [page.href]).unref();
    }
}

const login = new Login();
const open = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: login });

/** Does it, and once more after a login. */
async function signedIn(work, transport) {
    try {
        return await work();
    } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error;
        await transport().finishAuth(await login.answer);
        return await work();
    }
}

let transport;
const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
await signedIn(
    () => client.connect((transport = open())),
    () => transport,
);
for (const name of tools) {
    const words = name === 'time_get_current_time' ? { timezone: 'UTC' } : {};
    try {
        const { content } = await signedIn(
            () => client.callTool({ name, arguments: words }),
            () => transport,
        );
        console.log(JSON.stringify({ name, text: content[0].text }));
    } catch (error) {
        console.log(JSON.stringify({ name, refused: `${error}` }));
    }
}
await client.close();
callback.close();
callback.closeAllConnections();
