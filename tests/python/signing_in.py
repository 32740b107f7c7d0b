"""Programs that sign in: ours at servers of others, clients of others at ours, with authorization servers of others.

    signing_in.py --anyport target/debug/anyport --node node --scripts target/tools/typescript oidc-provider
    signing_in.py --anyport target/debug/anyport --node node --scripts target/tools/typescript mcp-remote@builtin

It ends with a line of JSON that says what works. Else it exits with 1 and says which expectation did not hold.
`cargo xtask interop` runs it with every dialogue.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import logins
import protected
from expectation import Broken
from providers import DjangoProvider, OidcProvider, install_browser


def main() -> int:
    parser = argparse.ArgumentParser(description="Programs that sign in.")
    parser.add_argument("--anyport", required=True, help="the program")
    parser.add_argument("--node", required=True, help="Node")
    parser.add_argument("--scripts", type=Path, required=True, help="the folder of the scripts and packages in JavaScript")
    parser.add_argument("dialogue", help="the provider behind which our program signs in, or CLIENT@PLACE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        install_browser(folder)
        try:
            match options.dialogue:
                case "django":
                    works = logins.run(options.anyport, DjangoProvider(folder), folder)
                case "oidc-provider":
                    works = logins.run(options.anyport, OidcProvider(options.node, options.scripts, folder), folder)
                case dialogue:
                    client, where = dialogue.split("@")
                    works = protected.run(options, client, where, folder)
        except BaseException as failure:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}:\n{log.read_text()[-4000:]}", file=sys.stderr)
            if isinstance(failure, Broken):
                print("\n".join([str(failure), *getattr(failure, "__notes__", [])]), file=sys.stderr)
                return 1
            raise
    print(json.dumps({"revision": "", "works": works}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
