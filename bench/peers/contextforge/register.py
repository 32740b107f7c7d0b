"""Registers a server with the ContextForge on a port of this machine, and prints a token for clients.

Usage: register.py PORT URL
"""

import json
import os
import subprocess
import sys
import urllib.request

port, url = sys.argv[1:]
token = subprocess.run(
    [sys.executable, "-m", "mcpgateway.utils.create_jwt_token", "--admin"]
    + ["--username", os.environ["PLATFORM_ADMIN_EMAIL"], "--exp", "10080"],
    check=True,
    stdout=subprocess.PIPE,
    text=True,
).stdout.split()[-1]
registration = urllib.request.Request(
    f"http://127.0.0.1:{port}/gateways",
    json.dumps({"name": "first", "url": url, "transport": "STREAMABLEHTTP"}).encode(),
    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
)
# No proxy stands between a machine and itself.
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(registration, timeout=60).read()
print(token)
