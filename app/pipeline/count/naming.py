"""Names: records have the latest name of their user, template and organization, which are identified by id.

Names arrive late and change: builds do not name the organization, deleted workspaces are not listed, and users and
templates are renamed. Records and the totals by name are updated; searches by former names still work.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import redis

from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.shapes import Workspace
from app.core.count.meter import AWB
from app.store.count.ledger import Ledger
from app.store.count.naming import IDENTITIES, Naming

#: The number of workspaces whose names are requested from Coder at once, and of stored ones that are checked.
_ASKED, _SCANNED = 50, 500
_NEEDED: Final = frozenset({"template", "organization"})


class Names:
    """Stores names and updates records."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.ledger = Ledger(connection, deployment, AWB)
        self.naming = Naming(connection, deployment, AWB)

    def learn(self, workspaces: Sequence[Workspace]) -> None:
        """Store the names that Coder lists with these workspaces, and update records.

        Records are updated first and the latest names stored last: if the process dies in between, the change is seen
        again.
        """
        known = self.ledger.known([workspace.id for workspace in workspaces])
        changed = {w.id: w.names for w in workspaces if not w.names.items() <= known[w.id].names.items()}
        listed = identities([workspace.names for workspace in workspaces])
        former = self.naming.newest(listed)
        renamed = {one: name for one, name in listed.items() if former.get(one, name) != name}
        if renamed:
            self._follow(renamed)
        for workspace_id, names in changed.items():
            if known[workspace_id].last_proved:
                self.naming.rename(workspace_id, names)
        self.ledger.name({one: {**known[one].names, **names} for one, names in changed.items()})
        self.naming.have_names(one for one, names in changed.items() if names.keys() >= _NEEDED)
        new = {one: name for one, name in listed.items() if former.get(one) != name}
        if new:
            self.naming.keep(new)

    def repair(self, api: CoderApi) -> None:
        """Ask Coder for some of the workspaces whose records lack names; if it does not show one, nothing changes."""
        found = []
        for workspace_id in self.naming.lacking(_ASKED):
            try:
                found.append(api.workspace(workspace_id))
            except CoderApiError as error:
                if error.kind not in (Failure.NOT_FOUND, Failure.FORBIDDEN):
                    raise
        self.learn(found)

    def find_missing_names(self) -> None:
        """Mark every workspace whose records lack names, for records of versions that did not do so."""
        batch: list[str] = []
        for workspace_id in self.ledger.workspaces():
            batch.append(workspace_id)
            if len(batch) == _SCANNED:
                self._note_lacking(batch)
                batch = []
        self._note_lacking(batch)

    def _note_lacking(self, workspace_ids: list[str]) -> None:
        known = self.ledger.known(workspace_ids)
        self.naming.lack_names(
            one for one in workspace_ids if known[one].last_proved and not known[one].names.keys() >= _NEEDED
        )

    def _follow(self, renamed: Mapping[tuple[str, str], str]) -> None:
        """Rename the records of every workspace that belongs to what was renamed, including deleted ones."""
        batch: list[str] = []
        for workspace_id in self.ledger.workspaces():
            batch.append(workspace_id)
            if len(batch) == _SCANNED:
                self._rename(batch, renamed)
                batch = []
        self._rename(batch, renamed)

    def _rename(self, workspace_ids: list[str], renamed: Mapping[tuple[str, str], str]) -> None:
        for workspace_id, known in self.ledger.known(workspace_ids).items():
            names = {
                which: renamed[which, known.names[holder]]
                for which, holder in IDENTITIES.items()
                if (which, known.names.get(holder, "")) in renamed
            }
            if names:
                self.naming.rename(workspace_id, names)
                self.ledger.name({workspace_id: {**known.names, **names}})


def identities(names: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], str]:
    """Return names by their identity, such as ("owner", id)."""
    return {
        (which, one[holder]): one[which]
        for one in names
        for which, holder in IDENTITIES.items()
        if one.get(holder) and one.get(which)
    }
