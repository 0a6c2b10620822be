"""Whether others than this machine reach the app, and that nobody opens it to them unknowingly."""

import ipaddress
import os

from core.errors import ExposedError

# Set by the app that others reach, for itself and its helper processes.
EXPOSED_VARIABLE = "TOUCHSTONE_EXPOSED"
INSECURE_VARIABLE = "TOUCHSTONE_UI_INSECURE_LAN"  # the option --insecure-lan of `touchstone ui`


def listens_for_others(address: str | None) -> bool:
    """Whether a server on this address is reached from other machines; None or '' is everywhere."""
    name = (address or "").strip().strip("[]").lower()
    if name == "localhost":
        return False
    try:
        return not ipaddress.ip_address(name).is_loopback
    except ValueError:  # the name of a machine
        return True


def is_exposed() -> bool:
    """Whether this process belongs to an app that other machines reach."""
    return bool(os.environ.get(EXPOSED_VARIABLE))


def is_said_twice() -> bool:
    """Whether somebody has said that everybody in the network may use the app."""
    return os.environ.get(INSECURE_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")


def refuse_exposed(address: str | None, *, signs_in: bool = False) -> None:
    """Raise where other machines would reach the app, unless that was said twice.

    Args:
        address: to listen on.
        signs_in: whether people have to sign in.

    Raises:
        ExposedError: with the ways there are.
    """
    if listens_for_others(address) and not signs_in and not is_said_twice():
        raise ExposedError(
            f"On the address {address or 'of every network'}, everybody in the network could see, "
            "change and delete everything: nobody is asked who they are.",
            "Let people sign in (docs/people.md), or leave --host out and put a proxy with a login "
            "in front (docs/team.md), or add --insecure-lan if everybody may.",
        )
