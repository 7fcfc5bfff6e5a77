"""What the terminal shows of the log."""

import logging

from electra.cli.terminal import TerminalHandler
from electra.core.log import logger, show_progress


def test_a_file_gets_the_first_line_of_progress_of_each_task_and_every_message(capsys):
    handler = TerminalHandler()
    before, logger.handlers = logger.handlers, [handler]
    try:
        for task in ("seed 0", "seed 0", "seed 1"):
            show_progress(task, {"step": "5", "": task})
        logger.info("saved it")
        logger.warning("look at this")
    finally:
        logger.handlers = before
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["step 5  seed 0", "step 5  seed 1", "saved it", "warning: look at this"]
    assert captured.out == ""


def test_a_terminal_renews_one_line_and_leaves_it_before_a_message(capsys):
    handler = TerminalHandler()
    handler.console._force_terminal = True
    before, logger.handlers = logger.handlers, [handler]
    try:
        show_progress("run", {"step": "1"})
        show_progress("run", {"step": "2"})
        logger.info("saved")
    finally:
        logger.handlers = before
    err = capsys.readouterr().err
    assert "step 1\r" in err and err.count("step 2") == 1 and err.endswith("\nsaved\n")


def test_without_a_handler_the_library_is_silent(capsys):
    before, logger.handlers = logger.handlers, [logging.NullHandler()]
    propagate, logger.propagate = logger.propagate, False
    try:
        logger.warning("nobody asked")
    finally:
        logger.handlers, logger.propagate = before, propagate
    assert capsys.readouterr() == ("", "")
