"""API answers of several kinds of Coder deployments: made up here, or recorded from real servers.

A deployment is a table of answers by path. Other paths are answered as Coder answers unknown ones.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.core.coder.subscription import AUTOBUILD_FAILED, CREATED, MANUAL_FAILED, PAUSED, RESUMED
from tests.coderapi.server import Handler, as_json, serving
from tests.test_docs import ROOT

RECORDED = ROOT.parent / "shared" / "coder" / "real" / "api"
ORGANIZATION = "0d6f1c52-93ab-4f0e-8c77-2b7f6a5e4d31"
_ENTRY = "5b0c1d9e-4f2a-4c37-9d58-a1f0e2b3c4d5"
SECRET = "a-made-up-secret-of-coder"
KEY = "qW3rTy7uIo"
TOKEN = f"{KEY}-madeUpMadeUpMadeUpMade"
MADE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DENIED = (403, {"message": "Not allowed.", "detail": "The role of this user does not include it."})
MISSING = (404, {"message": "There is nothing of this kind, or it is not for you."})
NO_ROUTE = (404, {"message": "No such route."})
FAILED = (500, {"message": "Something failed inside."})
SIX_DAYS, YEAR = timedelta(days=6), timedelta(hours=8760)

Answer = tuple[int, Any]


@dataclass
class Deployment:
    """Answers by path without `/api/v2`, and the time of the requests."""

    answers: dict[str, Answer]
    now: datetime
    endpoint: str
    requests: list[tuple[str, str, Any]] = field(default_factory=list)

    def but(self, changed: Mapping[str, Answer]) -> "Deployment":
        """Return a copy with some answers replaced."""
        return Deployment({**self.answers, **changed}, self.now, self.endpoint)

    @contextmanager
    def serve(self) -> Iterator[str]:
        with serving(self._behave) as (url, server):
            yield url
            self.requests += [
                (method, path, json.loads(body) if body else None)
                for _address, method, path, _headers, body in server.requests
            ]

    def _behave(self, handler: Handler) -> None:
        path = urlsplit(handler.path).path.removeprefix("/api/v2")
        if handler.command == "PUT":
            handler.reply(body=b"[]")
            return
        status, body = self.answers.get(path, NO_ROUTE)
        handler.reply(status, as_json(body))


def user(name: str, *roles: str) -> dict[str, Any]:
    named = [{"name": role, "display_name": role.replace("-", " ").capitalize()} for role in roles]
    return {
        "id": "5b8d0a7e-1c2f-4e69-9a54-7d3c8e1f0b26",
        "username": name,
        "email": f"{name}@example.com",
        "status": "active",
        "login_type": "password",
        "organization_ids": [ORGANIZATION],
        "roles": named,
    }


def key(lifetime: timedelta, *scopes: str, created: datetime = MADE, expires: datetime | None = None) -> dict[str, Any]:
    """Return the record of a token that is in use, which Coder updated twenty minutes after its creation."""
    return {
        "id": KEY,
        "user_id": "5b8d0a7e-1c2f-4e69-9a54-7d3c8e1f0b26",
        "last_used": created.isoformat(),
        "expires_at": (expires or created + lifetime + timedelta(minutes=20)).isoformat(),
        "created_at": created.isoformat(),
        "updated_at": created.isoformat(),
        "login_type": "token",
        "scope": "all" if not scopes else "",
        "scopes": list(scopes) or ["coder:all"],
        "token_name": "meter",
        "lifetime_seconds": int(lifetime.total_seconds()),
        "allow_list": ["*:*"],
    }


def templates(*, pauses: bool) -> list[dict[str, Any]]:
    """Return notification templates as the API lists them; those that the count uses, and another one."""
    listed = [
        ("f517da0b-cdc9-410f-ab89-a86107c420ed", "Workspace Deleted", "Workspace Events", True),
        (CREATED, "Workspace Created", "Workspace Events", False),
        (MANUAL_FAILED, "Workspace Manual Build Failed", "Workspace Events", True),
        (AUTOBUILD_FAILED, "Workspace Autobuild Failed", "Workspace Events", True),
    ]
    if pauses:
        listed += [(PAUSED, "Task Paused", "Task Events", True), (RESUMED, "Task Resumed", "Task Events", True)]
    return [
        {
            "id": template_id,
            "name": name,
            "title_template": "A title of ours",
            "body_template": "A text of ours.",
            "actions": "[]",
            "group": group,
            "method": "",
            "kind": "system",
            "enabled_by_default": enabled,
        }
        for template_id, name, group, enabled in listed
    ]


def made_up(kind: str) -> Deployment:
    """Return a deployment of a kind with made-up answers."""
    roles = _ROLES[kind]
    endpoint = f"http://coder:{SECRET}@meter.example.com/v1/webhook"
    version = _VERSIONS.get(kind, "v2.31.9")
    answers: dict[str, Answer] = {
        "/buildinfo": (200, {"version": f"{version}+1a2b3c4", "dashboard_url": "https://coder.example.com"}),
        "/users/me": (200, user("counter-bot", *roles)),
        f"/users/me/keys/{KEY}": (200, key(SIX_DAYS if "owner" in roles else YEAR)),
        "/users": (200, {"users": [user("temple", "template-admin")], "count": 1}),
        "/entitlements": (
            200,
            {"features": {"managed_agent_limit": {"entitlement": "not_entitled", "enabled": False}}},
        ),
        "/notifications/settings": (200, {"notifier_paused": False}),
        "/notifications/dispatch-methods": (200, {"available": ["smtp", "webhook"], "default": "webhook"}),
        "/notifications/templates/system": (200, templates(pauses=version >= "v2.31")),
        f"/users/{user('')['id']}/notifications/preferences": (200, _SWITCHED_ON),
        "/deployment/config": (
            200,
            {"config": {"notifications": {"method": "webhook", "webhook": {"endpoint": endpoint}}}, "options": []},
        ),
        "/audit": (200, {"audit_logs": [{"id": _ENTRY, "time": MADE.isoformat()}], "count": 1}),
        f"/organizations/{ORGANIZATION}/provisionerjobs": (200, []),
    }
    return _as_kind(Deployment(answers, MADE + timedelta(minutes=40), endpoint), kind, KEY, ORGANIZATION)


_SWITCHED_ON = [{"id": CREATED, "disabled": False, "updated_at": MADE.isoformat()}]
SCOPES = ("workspace:read", "task:read", "template:read", "user:read", "user:read_personal", "organization:read")
_ROLES: Mapping[str, tuple[str, ...]] = {
    "v2.31.9 owner": ("owner",),
    "v2.31.9 template-admin and auditor": ("auditor", "template-admin"),
    "v2.31.9 member": (),
    "v2.31.9 scoped token": ("auditor", "template-admin"),
    "v2.29.6 owner": ("owner",),
    "v2.28.11 owner": ("owner",),
    "v2.31.9 AGPL owner": ("owner",),
}
_VERSIONS = {"v2.29.6 owner": "v2.29.6", "v2.28.11 owner": "v2.28.11"}
KINDS = tuple(_ROLES)


def _as_kind(one: Deployment, kind: str, key_name: str, organization: str) -> Deployment:
    """Add what this kind refuses, as FACTS.md section S describes it, to made-up or recorded answers."""
    answers = one.answers
    jobs, preferences = (f"/organizations/{organization}/provisionerjobs", _preferences_path(one))
    answers["/organizations"] = (200, [{"id": organization, "name": "coder", "display_name": "Coder"}])
    if "owner" not in _ROLES[kind]:
        answers[jobs] = MISSING
    if kind == "v2.31.9 member":
        # Coder omits users that a member may not see.
        answers["/users"] = (200, {"users": [], "count": 0})
        answers |= {"/audit": DENIED, "/deployment/config": DENIED, preferences: (200, [])}
    if kind == "v2.31.9 scoped token":
        answers |= {"/audit": DENIED, "/deployment/config": DENIED, preferences: FAILED}
        answers[f"/users/me/keys/{key_name}"] = MISSING
    if kind == "v2.31.9 AGPL owner":
        answers |= {"/entitlements": NO_ROUTE, "/groups": NO_ROUTE, "/audit": (200, {"audit_logs": [], "count": 0})}
    return one


def _preferences_path(one: Deployment) -> str:
    return f"/users/{one.answers['/users/me'][1]['id']}/notifications/preferences"


def _recorded_answer(name: str) -> Answer:
    found = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return found["status"], found["response"]


def recorded(kind: str) -> tuple[Deployment, str]:
    """Return a deployment with recorded answers where there are any, and the name of its token's record.

    Missing answers are derived from recorded ones: the record of a one-year token, a member without roles.
    """
    answers = {**made_up(kind).answers}
    roles = _ROLES[kind]
    me = _recorded_answer("users_me.owner" if "owner" in roles else "users_me.template-admin+auditor")[1]
    organization = me["organization_ids"][0]
    token = _recorded_answer("apikey")[1]
    created = datetime.fromisoformat(token["created_at"])
    if "owner" not in roles:
        token = {
            **token,
            "lifetime_seconds": int(YEAR.total_seconds()),
            "expires_at": (created + YEAR + timedelta(minutes=17)).isoformat(),
        }
    old = "v2.29.6." if kind in _VERSIONS else ""
    config = _recorded_answer("deployment_config")
    answers |= {
        "/users/me": (200, me if roles else {**me, "roles": []}),
        f"/users/me/keys/{token['id']}": (200, token),
        "/entitlements": _recorded_answer("entitlements.unlicensed"),
        "/notifications/settings": _recorded_answer("notification_settings"),
        "/notifications/dispatch-methods": _recorded_answer("notification_dispatch_methods"),
        "/notifications/templates/system": _recorded_answer(f"{old}notification_templates_system"),
        f"/users/{me['id']}/notifications/preferences": _recorded_answer("user_notification_preferences"),
        "/deployment/config": config,
        "/audit": _recorded_answer("audit.workspace_build.start"),
        f"/organizations/{organization}/provisionerjobs": _recorded_answer("provisionerjobs"),
    }
    if kind not in _VERSIONS:
        answers["/buildinfo"] = _recorded_answer("buildinfo")
    endpoint = config[1]["config"]["notifications"]["webhook"]["endpoint"]
    one = Deployment(answers, created + timedelta(minutes=30), endpoint)
    refusals = {"audit.member.403": "/audit", "deployment_config.template-admin.403": "/deployment/config"}
    one = _as_kind(one, kind, token["id"], organization)
    for name, path in refusals.items():
        if answers[path] == DENIED:
            answers[path] = _recorded_answer(name)
    jobs = f"/organizations/{organization}/provisionerjobs"
    if answers[jobs] == MISSING:
        answers[jobs] = _recorded_answer("provisionerjobs.template-admin.404")
    if kind == "v2.31.9 AGPL owner":
        answers["/entitlements"] = _recorded_answer("agpl.entitlements.404")
    return one, token["id"]


def snapshot(kind: str) -> Path:
    return Path(__file__).parent / "snapshots" / f"coder check {kind}.txt"
