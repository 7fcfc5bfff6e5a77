"""What an encoder is fine-tuned for, by name: a new task is a file here and a line in this dictionary."""

from electra.tasks.base import Example, Features, Task

__all__ = ["TASKS", "Example", "Features", "Task"]
TASKS: dict[str, type[Task]] = {}
