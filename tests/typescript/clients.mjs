// Other people's clients, each with the same few methods, so that the checks are written once.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, URL } from 'node:url';

import * as second from '@modelcontextprotocol/client';
import { StdioClientTransport as SecondStdio } from '@modelcontextprotocol/client/stdio';
import { Client as First } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as FirstStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as FirstHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import {
    CreateMessageRequestSchema,
    ElicitRequestSchema,
    LoggingMessageNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { Broken } from './expectation.mjs';

/** What the user answers to the question that the tour asks, and to that of `server-everything`. */
const TRIP = { city: 'Oslo', nights: 3 };
const PERSON = { name: 'Ada' };

const CAPABILITIES = { elicitation: {}, sampling: {} };

const NAME = { name: 'interop', version: '1.0.0' };

/** The official client, of either of its packages: they differ in how they are made, not in how they are used. */
class Official {
    can = ['list', 'call', 'read', 'prompt', 'complete', 'ask', 'sample', 'progress', 'log'];
    heard = { questions: [], prompts: [], logs: [], progress: [] };

    constructor(client, transport) {
        this.client = client;
        this.transport = transport;
    }

    answer(request) {
        // A gateway says in a question which of its servers asks.
        const message = request.params.message.replace(/^(asked|everything|tour): /, '');
        this.heard.questions.push(message);
        return { action: 'accept', content: message === 'Where shall it go?' ? TRIP : PERSON };
    }

    /** What the model says, whatever it is asked. */
    say(request) {
        const [{ content }] = request.params.messages;
        this.heard.prompts.push((Array.isArray(content) ? content[0] : content).text);
        return { role: 'assistant', content: { type: 'text', text: 'bird' }, model: 'parrot' };
    }

    hear(notification) {
        this.heard.logs.push([notification.params.level, notification.params.data]);
    }

    async connect() {
        await this.client.connect(this.transport);
        this.server = this.client.getServerVersion();
        this.capabilities = this.client.getServerCapabilities();
    }

    async close() {
        // Says goodbye to a session where there is one, as a client should.
        await this.transport.terminateSession?.();
        await this.client.close();
    }

    async tools() {
        return (await this.client.listTools()).tools;
    }

    async call(name, args, options = {}) {
        const onprogress = ({ progress, total, message }) => this.heard.progress.push([progress, total, message]);
        return await this.client.callTool({ name, arguments: args, ...options }, ...this.options({ onprogress }));
    }

    async resources() {
        return (await this.client.listResources()).resources;
    }

    async templates() {
        return (await this.client.listResourceTemplates()).resourceTemplates;
    }

    async read(uri) {
        return (await this.client.readResource({ uri })).contents;
    }

    async prompts() {
        return (await this.client.listPrompts()).prompts;
    }

    async prompt(name, args) {
        return await this.client.getPrompt({ name, arguments: args });
    }

    async complete(ref, argument) {
        return (await this.client.complete({ ref, argument })).completion.values;
    }
}

/** `@modelcontextprotocol/sdk`, versions 1. It knows no revision after 2025-11-25. */
class Sdk1 extends Official {
    constructor({ url, transport, command: [program, ...args] }) {
        const over = {
            stdio: () => new FirstStdio({ command: program, args }),
            http: () => new FirstHttp(new URL(url)),
            sse: () => new SSEClientTransport(new URL(url)),
            websocket: () => new WebSocketClientTransport(new URL(url)),
        };
        super(new First(NAME, { capabilities: CAPABILITIES }), over[transport]());
        this.client.setRequestHandler(ElicitRequestSchema, (request) => this.answer(request));
        this.client.setRequestHandler(CreateMessageRequestSchema, (request) => this.say(request));
        this.client.setNotificationHandler(LoggingMessageNotificationSchema, (message) => this.hear(message));
    }

    get revision() {
        // The client keeps it to itself; a transport that sends headers is told.
        return this.transport.protocolVersion ?? this.negotiated;
    }

    async connect() {
        const start = this.transport.start.bind(this.transport);
        this.transport.start = async () => {
            await start();
            // Whoever sits between client and transport sees the answer to `initialize` pass by.
            const deliver = this.transport.onmessage;
            this.transport.onmessage = (message, extra) => {
                this.negotiated ??= message.result?.protocolVersion;
                deliver(message, extra);
            };
        };
        await super.connect();
    }

    options(options) {
        return [undefined, options];
    }

    async listenToLogs() {
        await this.client.setLoggingLevel('info');
    }
}

/** `@modelcontextprotocol/client`, versions 2. */
class Client2 extends Official {
    constructor({ url, era, transport, command: [program, ...args] }) {
        const over = {
            stdio: () => new SecondStdio({ command: program, args }),
            http: () => new second.StreamableHTTPClientTransport(new URL(url)),
            sse: () => new second.SSEClientTransport(new URL(url)),
        };
        const mode = era === 'modern' ? 'auto' : 'legacy';
        const options = { capabilities: CAPABILITIES, versionNegotiation: { mode } };
        super(new second.Client(NAME, options), over[transport]());
        this.client.setRequestHandler('elicitation/create', (request) => this.answer(request));
        this.client.setRequestHandler('sampling/createMessage', (request) => this.say(request));
        this.client.setNotificationHandler('notifications/message', (message) => this.hear(message));
    }

    get revision() {
        return this.client.getNegotiatedProtocolVersion();
    }

    options(options) {
        return [options];
    }
}

/** `@modelcontextprotocol/inspector --cli`: every method is a program that runs to its end. */
class Inspector {
    can = ['list', 'call', 'read', 'prompt'];

    constructor({ url, era, transport, command }) {
        this.era = ['--protocol-era', era === 'modern' ? 'modern' : 'legacy'];
        this.target = transport === 'stdio' ? ['--', ...command] : ['--transport', transport, '--server-url', url];
    }

    async ask(method, ...options) {
        const target = ['--format', 'json', '--quiet', ...this.era, '--method', method, ...options, ...this.target];
        // What it keeps, it keeps beside its program, and not in the home of whoever runs this.
        const env = { ...process.env, HOME, USERPROFILE: HOME };
        const stdio = ['ignore', 'pipe', 'pipe'];
        const child = spawn(process.execPath, [INSPECTOR, '--cli', ...target], { env, stdio });
        const said = { stdout: '', stderr: '' };
        for (const stream of ['stdout', 'stderr']) {
            child[stream].setEncoding('utf8').on('data', (text) => (said[stream] += text));
        }
        await once(child, 'close');
        // A tool's own failure is exit code 5 and an answer all the same.
        const line = said.stdout.trim().split('\n').at(-1) || said.stderr.trim().split('\n').at(-1);
        let answer;
        try {
            answer = JSON.parse(line);
        } catch {
            throw new Broken(`the Inspector said no JSON (exit code ${child.exitCode}): ${said.stdout}${said.stderr}`);
        }
        if (answer.result === undefined) {
            throw Object.assign(new Error(answer.error?.message ?? line), answer.error);
        }
        return answer.result;
    }

    async connect() {
        const { protocolVersion, serverInfo, capabilities } = await this.ask('initialize');
        Object.assign(this, { revision: protocolVersion, server: serverInfo, capabilities });
    }

    async close() {}

    async tools() {
        return (await this.ask('tools/list')).tools;
    }

    async call(name, args) {
        return await this.ask('tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args));
    }

    async resources() {
        return (await this.ask('resources/list')).resources;
    }

    async templates() {
        return (await this.ask('resources/templates/list')).resourceTemplates;
    }

    async read(uri) {
        return (await this.ask('resources/read', '--uri', uri)).contents;
    }

    async prompts() {
        return (await this.ask('prompts/list')).prompts;
    }

    async prompt(name, args) {
        const pairs = Object.entries(args).map(([name, value]) => `${name}=${value}`);
        return await this.ask('prompts/get', '--prompt-name', name, '--prompt-args', ...pairs);
    }
}

const INSPECTOR = fileURLToPath(import.meta.resolve('@modelcontextprotocol/inspector/package.json')).replace(
    /package\.json$/,
    'clients/launcher/build/index.js',
);

const HOME = fileURLToPath(new URL('home', import.meta.url));

export const CLIENTS = { sdk: Sdk1, client: Client2, inspector: Inspector };
