// What validators and clients say of the schemas of our servers.
//
//     schemas.mjs '{"tools": ["target/debug/tools"], "documents": ["target/debug/anyport", "serve", "--stdio"]}'
//
// Each server is listed by `mcp-inspector --cli --strict` and by `mcporter list`, and each schema is compiled by Ajv in its strict
// mode. Nobody may warn, and no server may write to its standard error, except for those that show how that is done and the
// program, which says what it serves. It ends as `interop.mjs` does.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import addFormats from 'ajv-formats';
import Ajv from 'ajv/dist/2020.js';

import { Broken, equal, expect } from './expectation.mjs';

const program = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const INSPECTOR = program('@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const MCPORTER = program('mcporter/dist/cli.js');

/** Servers that write to their standard error, by design. */
const TALKATIVE = ['documents', 'middleware', 'start_and_stop'];

/** Runs a client to its end, and returns its standard output. It must succeed, and say nothing beside. */
async function run(name, words, home) {
    // What it keeps, it keeps in a folder of its own.
    const env = { ...process.env, HOME: home, USERPROFILE: home };
    const child = spawn(process.execPath, words, { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) {
        child[stream].setEncoding('utf8').on('data', (text) => (said[stream] += text));
    }
    await once(child, 'close');
    equal([child.exitCode, said.stderr], [0, ''], `the exit code and the standard error of ${name}`);
    return said.stdout;
}

/** Each schema of `tools`, compiled in strict mode. */
function compile(server, tools) {
    const complaints = [];
    const complain = (...words) => complaints.push(words.join(' '));
    const logger = { log: complain, warn: complain, error: complain };
    // Ajv's own default leaves `strictRequired` off: `oneOf` of `required` alone is common in schemas written by hand.
    const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true, logger });
    addFormats(ajv);
    // 2026-07-28, streamable-http §Custom Headers from Tool Parameters: the one keyword that MCP adds to JSON Schema.
    ajv.addKeyword({ keyword: 'x-mcp-header', schemaType: 'string' });
    let count = 0;
    for (const tool of tools) {
        for (const which of ['inputSchema', 'outputSchema'].filter((which) => tool[which])) {
            try {
                ajv.compile(tool[which]);
            } catch (error) {
                complain(error.message);
            }
            count += 1;
            expect(complaints.length === 0, `Ajv takes the ${which} of ${server}'s \`${tool.name}\``, complaints);
        }
    }
    return count;
}

async function inspect(server, command, home) {
    const options = ['--cli', '--strict', '--format', 'json', '--method', 'tools/list', '--', ...command];
    const { result } = JSON.parse(await run(`the Inspector at ${server}`, [INSPECTOR, ...options], home));
    return compile(server, result.tools);
}

/** All servers in one run, from a configuration. */
async function list(servers, home) {
    const entries = Object.entries(servers).map(([name, [command, ...args]]) => [name, { command, args }]);
    const config = join(home, 'mcporter.json');
    await writeFile(config, JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
    const options = ['--config', config, 'list', '--json', '--exit-code', '--no-oauth'];
    const listed = JSON.parse(await run('mcporter', [MCPORTER, ...options], home)).servers;
    const found = listed.map(({ name, status, tools }) => [name, status, tools.length > 0]);
    equal(found.sort(), Object.keys(servers).sort().map((name) => [name, 'ok', true]), 'what mcporter lists');
}

async function main(servers) {
    const home = await mkdtemp(join(tmpdir(), 'anyport-schemas-'));
    try {
        // What a server writes to its standard error is written to a file, whatever its client does with that.
        const told = (name) => join(home, `${name}.stderr`);
        const watched = Object.entries(servers).map(([name, command]) => {
            return [name, ['sh', '-c', `exec "$@" 2>> '${told(name)}'`, 'sh', ...command]];
        });
        const waiting = [...watched];
        let count = 0;
        const work = async () => {
            for (let next = waiting.shift(); next; next = waiting.shift()) {
                const found = await inspect(...next, home);
                count += found;
            }
        };
        await Promise.all(Array.from({ length: availableParallelism() }, work));
        await list(Object.fromEntries(watched), home);
        for (const name of Object.keys(servers)) {
            const text = await readFile(told(name), 'utf8');
            const isFine = TALKATIVE.includes(name) ? !/warn|error/i.test(text) : text === '';
            expect(isFine, `${name} complains of nothing on its standard error`, text);
        }
        expect(count > 40, 'there are schemas', count);
    } finally {
        await rm(home, { recursive: true, force: true });
    }
}

try {
    await main(JSON.parse(process.argv[2]));
    console.log(JSON.stringify({ revision: '2025-11-25', works: ['ajv', 'inspector', 'mcporter'] }));
} catch (failure) {
    console.error(failure instanceof Broken ? failure.message : failure);
    process.exit(1);
}
