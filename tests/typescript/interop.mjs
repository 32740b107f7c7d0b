// A client in JavaScript talks to a server.
//
//     interop.mjs --client client --era modern --server documents --transport http --url http://127.0.0.1:3020/mcp
//     interop.mjs --client sdk --era legacy --server tour --transport stdio -- target/debug/tour
//
// It ends with a line of JSON that says which revision was negotiated and what works. Else it exits with 1 and says
// which expectation did not hold; the trace of a failure of the client itself is its own explanation.
// `cargo xtask interop` runs it in every combination.

import { parseArgs } from 'node:util';

import * as asking from './asking.mjs';
import { CLIENTS } from './clients.mjs';
import * as documents from './documents.mjs';
import * as everything from './everything.mjs';
import { Broken, equal, expect } from './expectation.mjs';
import * as fleet from './fleet.mjs';
import * as tour from './tour.mjs';

const REVISIONS = { modern: '2026-07-28', legacy: '2025-11-25' };
const SERVERS = {
    asking: asking.CHECKS,
    documents: documents.CHECKS,
    everything: everything.CHECKS,
    fleet: fleet.CHECKS,
    tour: tour.CHECKS,
};

// A client that waits for ever would hold up whoever waits for this script.
const PATIENCE = 120_000;

function negotiation(client, era, server) {
    equal(client.revision, REVISIONS[era], `the revision of a ${era} client`);
    expect(client.server?.name && client.server.version, 'the server says its name and version', client.server);
    expect(client.capabilities?.tools, 'tools are declared', client.capabilities);
    if (server !== 'asking') {
        expect(client.capabilities.resources, 'resources are declared', client.capabilities);
    }
}

let checking;

async function dialogue(options, command) {
    const client = new CLIENTS[options.client]({ ...options, command });
    await client.connect();
    try {
        negotiation(client, options.era, options.server);
        const works = [];
        const forAll = ['asking', 'fleet'].includes(options.server);
        for (const [name, check] of Object.entries(SERVERS[options.server])) {
            if (forAll || client.can.includes(name)) {
                checking = name;
                await check(client);
                works.push(name);
            }
        }
        return { revision: client.revision, works };
    } finally {
        await client.close();
    }
}

const names = ['client', 'era', 'server', 'transport', 'url'];
const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
const { values, positionals } = parseArgs({ options, allowPositionals: true });
setTimeout(() => {
    console.error(`took too long while checking \`${checking}\``);
    process.exit(1);
}, PATIENCE).unref();
try {
    console.log(JSON.stringify(await dialogue(values, positionals)));
    process.exit(0);
} catch (failure) {
    console.error(failure instanceof Broken ? failure.message : failure, `while checking \`${checking}\``);
    process.exit(1);
}
