// What six servers of others answer behind one gateway: filesystem, memory, everything, time and git of the protocol's own
// project, and one of FastMCP, all in one `mcp.json`.
//
// Several clients do this at the same time, so what one leaves in the memory has a name of its own.

import { equal, expect } from './expectation.mjs';

/** One tool of each server, as the gateway names it. */
const TOOLS = [
    'filesystem_read_text_file',
    'memory_create_entities',
    'everything_echo',
    'time_convert_time',
    'git_git_log',
    'tour_greet',
];

/** Often enough that the clients meet. */
const TIMES = 5;

const text = (result) =>
    result.content
        .filter((block) => block.type === 'text')
        .map((block) => block.text)
        .join('\n');

export const CHECKS = {
    async list(client) {
        const tools = (await client.tools()).map((tool) => tool.name);
        expect(
            TOOLS.every((name) => tools.includes(name)),
            'the tools of all six are listed',
            tools,
        );
    },

    async call(client) {
        for (let time = 0; time < TIMES; time += 1) {
            equal(text(await client.call('filesystem_read_text_file', { path: 'note.txt' })), 'a note\n', 'the file');
            equal(text(await client.call('everything_echo', { message: 'grüß dich' })), 'Echo: grüß dich', 'the echo');
            const words = { source_timezone: 'Asia/Tokyo', time: '12:00', target_timezone: 'UTC' };
            const difference = text(await client.call('time_convert_time', words));
            expect(difference.includes('-9.0h'), 'the difference is told', difference);
            const log = text(await client.call('git_git_log', { repo_path: '.' }));
            expect(log.includes('the first'), 'the commit is told', log);
            equal(text(await client.call('tour_greet', { name: 'Ada' })), 'Hello, Ada!', 'the greeting');
        }
    },

    async remember(client) {
        const name = `a client of ${client.revision} in JavaScript`;
        const entity = { name, entityType: 'client', observations: ['came'] };
        await client.call('memory_create_entities', { entities: [entity] });
        const found = text(await client.call('memory_open_nodes', { names: [name] }));
        expect(found.includes(name), 'what the client left is found', found);
    },

    async ask(client) {
        client.heard.questions = [];
        const said = text(await client.call('everything_trigger-elicitation-request', {}));
        expect(said.includes('- Name: Ada'), 'a server that asks while the call is open hears the name', said);
        equal(text(await client.call('tour_book', {})), 'Booked: 3 nights in Oslo', 'what is booked');
        const questions = ['Please provide inputs for the following fields:', 'Where shall it go?'];
        equal(client.heard.questions, questions, 'what the user was asked');
    },
};
