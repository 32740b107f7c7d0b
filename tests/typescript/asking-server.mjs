// A server written with the official TypeScript SDK whose tools ask, in both ways in which it can.
//
//     asking-server.mjs                 # on standard streams
//     asking-server.mjs --http 8000     # at http://127.0.0.1:8000/mcp
//
// `elicitInput` works on a connection of 2025-11-25 or earlier alone; what `inputRequired` asks, the SDK converts by itself.

import { createServer } from 'node:http';
import { Readable } from 'node:stream';

import { McpServer, createMcpHandler, fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const form = {
    message: 'Where shall it go?',
    requestedSchema: {
        type: 'object',
        properties: { city: { type: 'string' }, nights: { type: 'integer' } },
        required: ['city', 'nights'],
    },
};
const text = ({ city, nights }) => ({ content: [{ type: 'text', text: `${nights} nights in ${city}` }] });

function asking() {
    const server = new McpServer({ name: 'asking', version: '1.0.0' }, { capabilities: { tools: {} } });
    const nothing = fromJsonSchema({ type: 'object', properties: {} });
    const safe = { inputSchema: nothing, annotations: { readOnlyHint: true } };
    server.registerTool('push', safe, async () => text((await server.server.elicitInput(form)).content));
    server.registerTool('give', { inputSchema: nothing }, async (_, context) => {
        const answers = context.mcpReq.inputResponses;
        return answers ? text(answers.trip.content) : inputRequired({ inputRequests: { trip: inputRequired.elicit(form) } });
    });
    return server;
}

const [option, port] = process.argv.slice(2);
if (option === '--http') {
    const handler = createMcpHandler(asking);
    createServer(async (request, response) => {
        const body = ['GET', 'HEAD'].includes(request.method) ? undefined : Readable.toWeb(request);
        const asked = new Request(`http://127.0.0.1:${port}${request.url}`, {
            method: request.method, headers: request.headers, body, duplex: 'half',
        });
        const answer = await handler.fetch(asked);
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        answer.body ? Readable.fromWeb(answer.body).pipe(response) : response.end();
    }).listen(Number(port), '127.0.0.1');
} else {
    serveStdio(asking);
}
