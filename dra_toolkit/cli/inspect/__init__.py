"""`dra inspect`: ask questions of recorded groups; each module adds commands that belong together, in this order."""

from dra_toolkit.cli.inspect.common import app as app

from dra_toolkit.cli.inspect import overview, replay, groups, texts, near, sql, exchange  # noqa: F401  # isort: skip
