"""A server with FastMCP that takes JWTs of an authorization server for itself: fastmcp_protected.py PORT ISSUER KEYS_URL"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import AnyHttpUrl

port, issuer, keys = sys.argv[1:]
here = f"http://127.0.0.1:{port}"

verifier = JWTVerifier(jwks_uri=keys, issuer=issuer, audience=f"{here}/mcp", required_scopes=["notes:read"])
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[AnyHttpUrl(issuer)], base_url=here)
server = FastMCP("notes", version="1.0.0", auth=auth)


@server.tool(annotations={"readOnlyHint": True})
def whoami() -> str:
    """Says who calls."""
    return f"you are {get_access_token().claims['sub']}"


if __name__ == "__main__":
    server.run("http", host="127.0.0.1", port=int(port), show_banner=False)
