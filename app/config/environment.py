"""Settings from the environment: `AWB_<KEY>`, secrets from files by `AWB_<KEY>_FILE`, and unknown variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.config.servicelinks import service_links
from app.config.settings import SECRET_FIELDS, Settings
from app.core.text.spelling import did_you_mean

PREFIX: Final = "AWB_"
# Read by the test suite and by make, not by the program.
_NOT_OURS: Final = PREFIX + "SHARED_PAYLOADS"
_MARK: Final = "\ufeff"
#: Of a part that `awb run` starts: a pipe that closes when the supervisor ends, whatever the reason.
PARENT_FD: Final = "_AWB_PARENT_FD"


def value_of(environ: Mapping[str, str], name: str) -> str:
    """Return a variable's value; empty if it is not set."""
    return plain(environ.get(name, ""))


def plain(text: str) -> str:
    """Remove what an env file or an editor left around a value: white space, a byte order mark, one pair of quotes.

    Tools that read env files, such as `docker run --env-file`, differ in whether they remove quotes.
    """
    text = text.strip().removeprefix(_MARK).strip()
    for quote in "\"'":
        inside = text[1:-1]
        # Inner quotes mean that every entry of a list has its own.
        if len(text) > 1 and text[0] == text[-1] == quote and quote not in inside:
            return inside.strip()
    return text


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Read `AWB_<KEY>` variables; an empty one counts as not set."""
    named = {key: value_of(environ, PREFIX + key.upper()) for key in Settings.model_fields}
    return {key: value for key, value in named.items() if value}


def secret_files(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Read `AWB_<KEY>_FILE` variables for every secret."""
    found: dict[str, str] = {}
    for key in SECRET_FIELDS:
        variable = f"{PREFIX}{key.upper()}_FILE"
        name = value_of(environ, variable)
        if not name:
            continue
        if value_of(environ, PREFIX + key.upper()):
            problems.append(f"{variable}: {PREFIX}{key.upper()} is set as well; keep one of the two")
            continue
        secret = secret_in(name, variable, problems)
        if secret:
            found[key] = secret
    return found


def secret_in(file: str, setting: str, problems: list[str]) -> str:
    """Return the secret in a file; empty, with a problem that names the setting, if there is none."""
    try:
        # utf-8-sig, because editors on Windows start files with a byte order mark.
        secret = plain(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{setting}: the file {file} cannot be read: {why_unreadable(error)}")
        return ""
    if not secret:
        problems.append(f"{setting}: the file {file} is empty")
    return secret


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return variables with our prefix that are not settings, except Kubernetes' service links."""
    fields = [PREFIX + key.upper() for key in Settings.model_fields]
    known = {*fields, PREFIX + "CONFIG", _NOT_OURS, *(f"{PREFIX}{key.upper()}_FILE" for key in SECRET_FIELDS)}
    links = set(service_links(environ))
    found = []
    for name in sorted(environ):
        if name.startswith(_MARK + PREFIX):
            found.append(
                f"{name.removeprefix(_MARK)}: there is a byte order mark before the name; "
                "save the file that sets it as UTF-8 without one"
            )
        elif name.startswith(PREFIX) and name not in known | links:
            found.append(f"{name}: there is no such setting{did_you_mean(name, sorted(known))}")
    return found


def notices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return remarks about the environment that are not errors."""
    known = {PREFIX + key.upper() for key in Settings.model_fields}
    links = sorted(name for name in service_links(environ) if name.startswith(PREFIX) and name not in known)
    if not links:
        return ()
    message = (
        f"{len(links)} variables of Kubernetes' service links are ignored ({links[0]}, …); "
        "enableServiceLinks: false in the pod's spec keeps them out"
    )
    return (message,)


def why_unreadable(error: Exception) -> str:
    """Return why a file cannot be read or written, without its content."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8; save it as UTF-8"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
