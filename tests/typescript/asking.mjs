// What the servers answer whose tools ask: `asking-server.mjs` and its twins in other languages.
//
// Each tool is called twice in a row: in which era it can ask, a bridge learns from the first call.

import { equal } from './expectation.mjs';

async function twice(client, tool) {
    for (const time of ['first', 'second']) {
        client.heard.questions = [];
        const result = await client.call(tool, {});
        const texts = result.content.map((block) => block.text);
        equal(texts, ['3 nights in Oslo'], `what \`${tool}\` answers the ${time} time`);
        equal(client.heard.questions, ['Where shall it go?'], `what the user was asked the ${time} time`);
    }
}

export const CHECKS = {
    push: (client) => twice(client, 'push'),
    give: (client) => twice(client, 'give'),
};
