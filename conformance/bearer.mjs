// Adds a token to each request, for the official suite, which cannot: node bearer.mjs PORT UPSTREAM_PORT, with the tokens in
// the environment (TOKENS, with spaces between them). Each request has the next of them. Nothing else is changed, so the host that
// a request names reaches the server, too.

import http from "node:http";

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const tokens = process.env.TOKENS.split(" ");
// As many connections as the suite has: none waits for the other.
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
let requests = 0;

const server = http.createServer((request, response) => {
  const headers = [...request.rawHeaders, "Authorization", `Bearer ${tokens[requests++ % tokens.length]}`];
  const { method, url: path } = request;
  const options = { host: "127.0.0.1", port: upstreamPort, method, path, headers, agent, setHost: false };
  const forwarded = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    response.flushHeaders();
    answer.pipe(response);
    // A stream that the server cuts ends as cut here, too.
    answer.on("aborted", () => response.destroy());
  });
  forwarded.on("error", () => response.destroy());
  response.on("close", () => forwarded.destroy());
  request.pipe(forwarded);
});
server.listen(port, "127.0.0.1");
