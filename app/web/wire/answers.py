"""How Waitress answers: requests for the application, and those that never reach it."""

from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from app.core.alert.refusal import Refusal
from app.web.paths import plain_path
from app.web.refusals import Refusals
from app.web.wire.parser import Busy


class Refused(ErrorTask):  # type: ignore[misc]
    """Answers requests that never reach the application, and counts those meant for the webhook."""

    def execute(self) -> None:
        request = self.request
        counted: Refusals | None = self.channel.server.refusals
        path = plain_path(getattr(request, "path", ""), self.channel.server.base_path)
        if counted is not None and path.startswith("/v1/webhook"):
            if isinstance(request.error, RequestEntityTooLarge):
                counted.count(Refusal.TOO_LARGE)
            elif isinstance(request.error, Busy):
                counted.count(Refusal.UNAVAILABLE)
        super().execute()


class Answer(WSGITask):  # type: ignore[misc]
    """Answers with one packet if the answer is small; Waitress sends head and body separately."""

    def finish(self) -> None:
        super().finish()
        self.channel.send_answer()
