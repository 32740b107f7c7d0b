// What a check says when it does not hold.

import { isDeepStrictEqual } from 'node:util';

/** An expectation that did not hold. */
export class Broken extends Error {}

export function expect(holds, what, found) {
    if (!holds) {
        throw new Broken(`expected that ${what}; found ${JSON.stringify(found)}`);
    }
}

export function equal(found, wanted, what) {
    expect(isDeepStrictEqual(found, wanted), `${what} is ${JSON.stringify(wanted)}`, found);
}
