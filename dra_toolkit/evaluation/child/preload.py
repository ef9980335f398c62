"""Imports what every job needs; nothing is computed, so that no thread exists when a job is forked."""

import atexit
import os

import transformers.models.qwen2.modeling_qwen2  # noqa: F401

from dra_toolkit.evaluation.child import job, metric, scoring, transformers_engine  # noqa: F401
from dra_toolkit.evaluation.child.metric import open_rs_metric

open_rs_metric("latex")
atexit.register(os._exit, 0)  # it holds nothing, and taking all of that down takes seconds
