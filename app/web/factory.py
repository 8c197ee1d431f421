"""The Flask application."""

import redis
from flask import Flask

from app.config.load import Config
from app.web import errors, health, slackactions, webhook
from app.web.access.guard import guard
from app.web.api import entry
from app.web.api import routes as api
from app.web.docs import routes as docs
from app.web.feeds import routes as feeds
from app.web.metrics import routes as metrics
from app.web.pages import queues as queuepages
from app.web.pages import routes as pages
from app.web.pages import tables
from app.web.paths import with_plain_paths
from app.web.refusals import EXTENSION, Refusals
from app.web.wire import bodies


def create_app(config: Config, connection: "redis.Redis", *, insecure: bool = False) -> Flask:
    """Build the application.

    Args:
        config: the validated configuration, with a webhook secret.
        connection: the connection to Redis, which may be unavailable at the moment.
        insecure: accept deliveries without a secret; only allowed on loopback.

    Raises:
        ValueError: there is no secret, and `insecure` is not set for a loopback address.
    """
    secrets = webhook.Keys(config)
    if insecure and not config.settings.on_loopback:
        raise ValueError("--insecure is for loopback addresses only; bind to 127.0.0.1 or set AWB_WEBHOOK_SECRET")
    if not secrets and not insecure:
        raise ValueError("no webhook secret: set AWB_WEBHOOK_SECRET, or use --insecure on a loopback address")
    app = Flask("app.web", static_folder="static", static_url_path="/static")
    app.config["MAX_CONTENT_LENGTH"] = config.settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # Otherwise /v1/webhook/<the default deployment> would redirect to /v1/webhook, and Coder's POSTs must not be
    # redirected.
    app.url_map.redirect_defaults = False
    app.url_map.merge_slashes = False
    app.config["APPLICATION_ROOT"] = config.settings.base_path or "/"
    app.wsgi_app = with_plain_paths(app.wsgi_app, config.settings.base_path)  # type: ignore[method-assign, assignment]
    guard(app, config, connection)
    # Whether a body is accepted is decided before it is read (app/web/wire/).
    admit = secrets.admit if secrets and not insecure else lambda _path, _header: True
    app.extensions[bodies.EXTENSION] = bodies.Bodies(bodies.rule_of(config.settings, admit))
    app.extensions[tables.EXTENSION] = tables.room_for_downloads(config.settings.web_threads)
    # Written by a thread while the application is served (app/web/server.py).
    refusals = app.extensions[EXTENSION] = Refusals(connection)
    app.register_blueprint(webhook.blueprint(config, connection, None if insecure else secrets, refusals))
    app.register_blueprint(api.blueprint(config, connection))
    app.register_blueprint(docs.blueprint())
    app.register_blueprint(entry.blueprint(config, connection))
    app.register_blueprint(slackactions.blueprint(config, connection))
    app.register_blueprint(pages.blueprint(config, connection))
    app.register_blueprint(feeds.blueprint(config, connection))
    app.register_blueprint(queuepages.blueprint(config, connection))
    app.register_blueprint(health.blueprint(config, connection))
    if not config.settings.metrics_bind:
        app.register_blueprint(metrics.blueprint(config, connection))
    errors.install(app)
    return app
