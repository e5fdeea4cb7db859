"""Entry point of the pack; Pulumi runs this directory."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import start
from policies.settings import SettingsError

try:
    start()
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
