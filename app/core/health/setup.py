"""The steps for setting up a new installation; shown until all are done."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        id: stable id, such as `receiver`.
        how: the command or setting that does it.
        doc: file and anchor of the documentation about it.
    """

    id: str
    title: str
    done: bool
    how: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Which steps are done."""

    delivered: bool
    templates: bool
    verifying: bool
    receiver: bool
    message_sent: bool
    public_url: bool


def steps(progress: Progress) -> Sequence[Step]:
    """Return every step in the recommended order; empty once all are done."""
    found = (
        Step(
            "delivery", "Connect Coder", progress.delivered,
            "put the two lines that `awb webhook-url` prints into coderd's environment",
            "docs/connect.md",
        ),
        Step(
            "templates", "List the templates of Coder Tasks", progress.templates,
            "set `AWB_AI_TEMPLATES=claude-code,aider`", "docs/connect.md",
        ),
        Step(
            "token", "Add a token for Coder's API for an exact count", progress.verifying,
            "set `AWB_CODER_URL` and `AWB_CODER_TOKEN`, then run `awb coder check`",
            "docs/coder.md",
        ),
        Step(
            "receiver", "Add a receiver for warnings", progress.receiver,
            "set `AWB_SLACK_WEBHOOK_URL`, or `AWB_SMTP_URL`, `AWB_EMAIL_FROM` and `AWB_EMAIL_TO`", "docs/alerts.md",
        ),
        Step(
            "test-message", "Send a test message", progress.message_sent,
            "run `awb notify test`, which sends one to each receiver", "docs/alerts.md",
        ),
        Step(
            "public-url", "Set the public URL for links in messages", progress.public_url,
            "set `AWB_PUBLIC_URL` to the address of this page in a browser", "docs/operation.md#access",
        ),
    )  # fmt: skip
    return () if all(step.done for step in found) else found
