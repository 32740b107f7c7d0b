// What the server of `examples/tour.rs` answers, whoever asks.

import { equal, expect } from './expectation.mjs';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC';

const texts = (result) => result.content.map((block) => block.text);

export const CHECKS = {
    async list(client) {
        const tools = (await client.tools()).map((tool) => tool.name);
        equal(tools, ['greet', 'measure', 'picture', 'count', 'book', 'rhyme', 'fail'], 'the list of tools');
        const resources = (await client.resources()).map((resource) => resource.uri);
        equal(resources, ['tour:///about', 'tour:///pixel'], 'the list of resources');
        const templates = (await client.templates()).map((template) => template.uriTemplate);
        equal(templates, ['tour:///chapters/{name}'], 'the list of templates');
        const prompts = await client.prompts();
        equal(prompts.map((prompt) => prompt.name), ['explain'], 'the list of prompts');
        const [{ name, required }] = prompts[0].arguments;
        equal({ name, required }, { name: 'language', required: true }, "the prompt's argument");
    },

    async call(client) {
        const greeting = await client.call('greet', { name: 'Ada' });
        equal(texts(greeting), ['Hello, Ada!'], 'the greeting');
        expect(!greeting.isError, 'the greeting is no error', greeting);
        const measure = await client.call('measure', { text: 'three wörds, äh' });
        equal(measure.structuredContent, { words: 3, longest: 'wörds,' }, 'the measure');
        const picture = await client.call('picture', {});
        equal(picture.content, [{ type: 'image', data: PIXEL, mimeType: 'image/png' }], 'the picture');
        const failure = await client.call('fail', {});
        expect(failure.isError === true, 'a failure is marked as one', failure);
        equal(texts(failure), ['this tool fails, and says so'], 'the failure');
    },

    async read(client) {
        const [about] = await client.read('tour:///about');
        equal(about.text, '# A tour\n\nSome of everything.', 'the text');
        equal(about.mimeType, 'text/markdown', 'its kind');
        const [pixel] = await client.read('tour:///pixel');
        equal(pixel.blob, PIXEL, 'the bytes');
        const [chapter] = await client.read('tour:///chapters/market');
        equal([chapter.uri, chapter.text], ['tour:///chapters/market', 'They sell figs.'], 'the chapter');
    },

    async prompt(client) {
        const { messages } = await client.prompt('explain', { language: 'rust' });
        const wanted = [{ role: 'user', content: { type: 'text', text: 'Explain rust in one sentence.' } }];
        equal(messages, wanted, 'the prompt');
    },

    async complete(client) {
        const prompt = { type: 'ref/prompt', name: 'explain' };
        const languages = await client.complete(prompt, { name: 'language', value: 'ru' });
        equal(languages, ['rust', 'ruby'], 'the languages');
        const template = { type: 'ref/resource', uri: 'tour:///chapters/{name}' };
        const chapters = await client.complete(template, { name: 'name', value: 'm' });
        equal(chapters, ['market', 'mountain'], 'the chapters');
    },

    async ask(client) {
        client.heard.questions = [];
        const result = await client.call('book', {});
        equal(client.heard.questions, ['Where shall it go?'], 'what the user was asked');
        equal(texts(result), ['Booked: 3 nights in Oslo'], 'the booking');
    },

    async sample(client) {
        client.heard.prompts = [];
        const result = await client.call('rhyme', { word: 'word' });
        equal(client.heard.prompts, ['What rhymes with word?'], 'what the model was asked');
        equal(texts(result), ['word rhymes with bird'], 'the rhyme');
    },

    async progress(client) {
        client.heard.progress = [];
        const result = await client.call('count', { to: 3 });
        equal(texts(result), ['counted to 3'], 'the count');
        const steps = [1, 2, 3].map((step) => [step, 3, `${step} of 3`]);
        // A step that is read together with the answer is forgotten: the answer ends who listens to steps.
        const heard = client.heard.progress.length === 2 ? steps.slice(0, 2) : steps;
        equal(client.heard.progress, heard, 'the progress');
    },

    async log(client) {
        await client.listenToLogs?.();
        client.heard.logs = [];
        await client.call('count', { to: 1 }, { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } });
        equal(client.heard.logs, [['info', 'here we go']], 'the log');
    },
};
