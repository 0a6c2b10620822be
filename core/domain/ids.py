"""Short random ids, the clock, and digests of values."""

import hashlib
import json
import secrets
import time

# Lower-case letters and digits without the ones that look alike.
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_id(prefix: str) -> str:
    """A short random id such as `ds-7kq2mfx4`; 31^8 possibilities per prefix."""
    return f"{prefix}-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))


def utc_now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def json_digest(value: object) -> str:
    """SHA-256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
