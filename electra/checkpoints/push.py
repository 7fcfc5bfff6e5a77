"""The verb `push`: upload a model to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from electra.checkpoints.locate import is_exported, model_folder
from electra.config import PushConfig
from electra.core.log import logger

# Of a run's folder: the seeds, and files that hold paths of this machine.
LEFT_HERE = ("runs/*", "rates/*", "checkpoints/*", "finetune.json", ".*", "*/.*")


def push(config: PushConfig) -> str:
    """Upload the files of a model, as the user of `hf auth login` or of HF_TOKEN; return their address.

    Raises:
        ValueError: there is no model, the library is missing, or the Hub refuses.
    """
    folder = Path(config.model) if is_exported(config.model) else model_folder(Path(config.model))
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    except ImportError:
        raise ValueError("push needs the huggingface_hub library: pip install 'electra[hub]'") from None
    hub = HfApi()
    try:
        hub.create_repo(config.to, private=not config.public, exist_ok=True)
        found = hub.upload_folder(
            repo_id=config.to, folder_path=folder, commit_message=config.message, ignore_patterns=list(LEFT_HERE)
        )
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        raise ValueError(
            f"{config.to}: the Hub refused ({error}); log in with `hf auth login`, or set HF_TOKEN"
        ) from None
    logger.info(f"uploaded {folder} to {found}")
    return str(found)
