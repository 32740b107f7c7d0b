// What `server-everything` answers, whoever asks: the reference server of the protocol's own project.

import { equal, expect } from './expectation.mjs';

const texts = (result) => result.content.map((block) => block.text);

export const CHECKS = {
    async list(client) {
        const tools = (await client.tools()).map((tool) => tool.name);
        for (const name of ['echo', 'get-sum', 'trigger-elicitation-request', 'trigger-sampling-request']) {
            expect(tools.includes(name), `the tool ${name} is listed`, tools);
        }
        const resources = (await client.resources()).map((resource) => resource.uri);
        const document = 'demo://resource/static/document/architecture.md';
        expect(resources.includes(document), 'the documents are resources', resources);
        const templates = (await client.templates()).map((template) => template.uriTemplate);
        const wanted = ['text', 'blob'].map((kind) => `demo://resource/dynamic/${kind}/{resourceId}`);
        equal(templates, wanted, 'the list of templates');
        const prompts = (await client.prompts()).map((prompt) => prompt.name);
        equal(prompts, ['simple-prompt', 'args-prompt', 'completable-prompt', 'resource-prompt'], 'the prompts');
    },

    async call(client) {
        equal(texts(await client.call('echo', { message: 'grüß dich' })), ['Echo: grüß dich'], 'the echo');
        const { structuredContent: weather } = await client.call('get-structured-content', { location: 'Chicago' });
        equal(weather.conditions, 'Light rain / drizzle', 'the weather');
        const images = (await client.call('get-tiny-image', {})).content.filter((block) => block.type === 'image');
        equal(images.map((image) => [image.mimeType, image.data !== '']), [['image/png', true]], 'the images');
    },

    async read(client) {
        const [document] = await client.read('demo://resource/static/document/architecture.md');
        expect(document.text.startsWith('# Everything Server'), 'the document has its title', document.text);
        const [dynamic] = await client.read('demo://resource/dynamic/text/7');
        expect(dynamic.text.startsWith('Resource 7: '), 'the resource is the seventh', dynamic);
    },

    async prompt(client) {
        const { messages } = await client.prompt('args-prompt', { city: 'Oslo', state: 'Norway' });
        const wanted = [{ role: 'user', content: { type: 'text', text: "What's weather in Oslo, Norway?" } }];
        equal(messages, wanted, 'the prompt');
    },

    async complete(client) {
        const prompt = { type: 'ref/prompt', name: 'completable-prompt' };
        const departments = await client.complete(prompt, { name: 'department', value: 'S' });
        equal(departments, ['Sales', 'Support'], 'the departments');
    },

    async ask(client) {
        client.heard.questions = [];
        const said = texts(await client.call('trigger-elicitation-request', {})).join('\n');
        equal(client.heard.questions, ['Please provide inputs for the following fields:'], 'what the user was asked');
        expect(said.includes('- Name: Ada'), 'the server heard the name', said);
    },

    async sample(client) {
        client.heard.prompts = [];
        const [said] = texts(await client.call('trigger-sampling-request', { prompt: 'word', maxTokens: 20 }));
        equal(client.heard.prompts, ['Resource trigger-sampling-request context: word'], 'what the model was asked');
        const { content } = JSON.parse(said.replace('LLM sampling result: ', ''));
        equal(content, { type: 'text', text: 'bird' }, 'what the server heard of the model');
    },

    async progress(client) {
        client.heard.progress = [];
        const [said] = texts(await client.call('trigger-long-running-operation', { duration: 0.3, steps: 3 }));
        expect(said.includes('completed'), 'the operation ends', said);
        // The server sends its answer right after the last step, and some clients forget a step that has its answer already.
        equal(client.heard.progress.slice(0, 2), [1, 2].map((step) => [step, 3, undefined]), 'the progress');
    },
};
