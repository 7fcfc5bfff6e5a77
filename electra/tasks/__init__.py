"""The fine-tuning tasks by name: a new task is a file here and a line in this dictionary.

A class elsewhere, named `module:Class`, works too (docs/reference/tasks.md).
"""

from collections.abc import Mapping
from typing import Any

from electra.core.plugins import find_class
from electra.models.kinds import Kind
from electra.tasks.base import Task
from electra.tasks.classification import Classification
from electra.tasks.errors import Errors
from electra.tasks.examples import Example, Features
from electra.tasks.glue import GLUE
from electra.tasks.multi_label import MultiLabel
from electra.tasks.qa import QuestionAnswering
from electra.tasks.regression import Regression
from electra.tasks.tagging import Tagging

__all__ = ["GLUE", "TASKS", "Example", "Features", "Task", "find_task", "guess_task"]

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "multi_label": MultiLabel,
    "regression": Regression,
    "tagging": Tagging,
    "qa": QuestionAnswering,
    "errors": Errors,
    **GLUE,
}


def find_task(name: str) -> type[Task]:
    """Return the class of a task, by name or as `module:Class`; raise ValueError if there is none."""
    if name in TASKS:
        return TASKS[name]
    if ":" not in name:
        raise ValueError(f"unknown task {name!r}; there are {', '.join(TASKS)}, or your own as module:Class")
    return find_class(name, Task, "task")


def guess_task(kind: Kind, content: Mapping[str, Any]) -> str:
    """Return the name of the task for a kind of network and its config.json's problem type, '' if there is none."""
    fitting = [name for name, task in TASKS.items() if kind in task.heads.values()]
    problem_type = content.get("problem_type")
    return next((name for name in fitting if TASKS[name].problem_type == problem_type), "".join(fitting[:1]))
