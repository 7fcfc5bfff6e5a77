"""What an encoder is fine-tuned for, by name: a new task is a file here and a line in this dictionary."""

from electra.tasks.base import Example, Features, Task
from electra.tasks.classification import Classification
from electra.tasks.glue import GLUE
from electra.tasks.multi_label import MultiLabel
from electra.tasks.qa import QuestionAnswering
from electra.tasks.regression import Regression
from electra.tasks.tagging import Tagging

__all__ = ["GLUE", "TASKS", "Example", "Features", "Task"]

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "multi_label": MultiLabel,
    "regression": Regression,
    "tagging": Tagging,
    "qa": QuestionAnswering,
    **GLUE,
}
