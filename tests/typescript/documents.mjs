// What `anyport serve` answers over the documents in `tests/data/docs`, whoever asks.

import { equal, expect } from './expectation.mjs';

const DOCUMENTS = ['guides/release checklist.md', 'python/testing.md', 'rust/errors.md'];
const SENTENCE = 'Tests are named for the behaviour that they hold, not for the function that they call.';

export const CHECKS = {
    async list(client) {
        const tools = Object.fromEntries((await client.tools()).map((tool) => [tool.name, tool]));
        expect('list_docs' in tools && 'get_stdlib' in tools, 'the tools are listed', Object.keys(tools));
        const { properties } = tools.get_stdlib.inputSchema;
        expect('language' in properties && 'domain' in properties, 'it takes a language and a domain', properties);
        const uris = (await client.resources()).map((resource) => resource.uri);
        const paths = uris.map((uri) => decodeURIComponent(uri.replace('docs:///', '')));
        for (const path of DOCUMENTS) {
            expect(paths.includes(path), `${path} is a resource`, uris);
        }
    },

    async call(client) {
        const { structuredContent: found } = await client.call('get_stdlib', { language: 'python', domain: 'testing' });
        equal([found.found, found.title, found.path], [true, 'Python Testing Standards', 'python/testing.md'], 'it');
        expect(found.content.includes(SENTENCE), '`content` is the document', found);
        const missing = await client.call('get_stdlib', { language: 'python', domain: 'security' });
        equal(missing.structuredContent.found, false, 'what is not there');
        const listed = JSON.stringify((await client.call('list_docs', {})).structuredContent);
        for (const part of [...DOCUMENTS, 'Release checklist – Prüfliste']) {
            expect(listed.includes(part), `\`list_docs\` names ${part}`, listed);
        }
    },

    async read(client) {
        const [document] = await client.read('docs:///python/testing.md');
        expect(document.text.includes(SENTENCE), 'the resource is the document', document);
        equal(document.mimeType, 'text/markdown', 'its kind');
        for (const uri of ['docs:///python/nothing.md', 'docs:///%2e%2e/%2e%2e/Cargo.toml']) {
            const outcome = await client.read(uri).catch((error) => error);
            expect(outcome instanceof Error, `${uri} does not exist`, outcome);
        }
    },
};
