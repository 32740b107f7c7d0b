//! New inputs out of old ones.

use fastrand::Rng;

/// Words that matter to some reader, so that they need not be found letter by letter.
const WORDS: &[&[u8]] = &[
    b"\"jsonrpc\":\"2.0\"",
    b"\"id\":1",
    b"\"id\":null",
    b"\"method\":\"tools/call\"",
    b"\"method\":\"initialize\"",
    b"\"params\":{",
    b"\"result\":{",
    b"\"error\":{\"code\":-32603,\"message\":\"\"}",
    b"notifications/cancelled",
    b"\"_meta\":{\"progressToken\":1}",
    b"\"resultType\":\"input_required\"",
    b"\"inputRequests\":{",
    b"roots/list",
    b"elicitation/create",
    b"2026-07-28",
    b"2024-11-05",
    b"\\ud800",
    b"\\u0000",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\r\n",
    b"\n\n",
    b"---\n",
    b": ",
    b"%2e%2e/",
    b"file:///",
    b"\xff",
    b"\xef\xbb\xbf",
    b"Content-Length: 9\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: localhost\r\n",
    b"0\r\n\r\n",
    b"Mcp-Session-Id: x\r\n",
    b"MCP-Protocol-Version: 2026-07-28\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Mcp-Param-A: =?base64?eA==?=\r\n",
    b"data: ",
    b"event: message\n",
    b"retry: 5\n",
    b"id: 1\r",
    b"{+a}",
    b"{?a,b*}",
    b"{/a,b*}",
    b"{;a}",
    b"{a:3}",
    b"\n!a",
    b"\n!fu",
    b"\n!q",
    b"\n!x\n",
    b"\n?",
    b"\"requestId\":1",
    b"resources/subscribe",
    b"subscriptions/listen",
];

/// The largest input.
const MOST: usize = 1 << 14;

/// An input out of `corpus`, changed in one place or a few.
pub fn mutate(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choice(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.u32(..6) {
        step(random, &mut input, corpus);
    }
    input.truncate(MOST);
    input
}

fn step(random: &mut Rng, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let place = random.usize(..=input.len());
    let end = (place + random.usize(..32)).min(input.len());
    match random.u8(..9) {
        0 => input.insert(place, random.u8(..)),
        1 => drop(input.drain(place..end)),
        2 if place < input.len() => input[place] ^= 1 << random.u8(..8),
        3 if place < input.len() => input[place] = random.u8(..),
        // The same once more, as a member that stands twice, or an array in an array.
        4 => {
            let part = input[place..end].repeat(random.usize(1..50));
            input.splice(place..place, part);
        }
        5 | 6 => {
            let word = random.choice(WORDS).copied().unwrap_or_default();
            input.splice(place..end.min(place + random.usize(..4)), word.iter().copied());
        }
        7 => {
            let other = random.choice(corpus).map_or(&[][..], Vec::as_slice);
            let from = random.usize(..=other.len());
            input.splice(place.., other[from..].iter().copied());
        }
        _ => input.truncate(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_no_large_ones() {
        let corpus = [b"{\"a\":[1,2]}".to_vec(), vec![b'x'; 5000]];
        let make = || {
            let mut random = Rng::with_seed(7);
            (0..2000).map(|_| mutate(&mut random, &corpus)).collect::<Vec<_>>()
        };
        let inputs = make();
        assert_eq!(inputs, make());
        assert!(inputs.iter().all(|input| input.len() <= MOST));
        assert!(inputs.iter().any(|input| !corpus.contains(input)));
    }
}
