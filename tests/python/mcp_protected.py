"""A server with the official SDK that asks an authorization server about tokens (RFC 7662): mcp_protected.py PORT ISSUER URL

The client of the introspection endpoint at URL is `server`, with its secret.
"""

import sys

import httpx2
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.types import ToolAnnotations

port, issuer, introspection = sys.argv[1:]
resource = f"http://127.0.0.1:{port}/mcp"


class Introspection(TokenVerifier):
    async def verify_token(self, token: str) -> AccessToken | None:
        async with httpx2.AsyncClient(auth=("server", "secret-of-the-server"), trust_env=False) as client:
            answer = (await client.post(introspection, data={"token": token})).json()
        if not answer["active"] or resource not in answer.get("aud", []):
            return None
        return AccessToken(
            token=token,
            client_id=answer["client_id"],
            scopes=answer["scope"].split(),
            expires_at=answer["exp"],
            resource=resource,
            subject=answer["username"],
        )


auth = AuthSettings(
    issuer_url=issuer, resource_server_url=resource, required_scopes=["notes:read"], validate_token_resource=True
)
server = MCPServer("notes", version="1.0.0", token_verifier=Introspection(), auth=auth)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def whoami() -> str:
    """Says who calls."""
    return f"you are {get_access_token().subject}"


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(port))
