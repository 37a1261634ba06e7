"""All that needs PyTorch: modules of users, networks on a GPU, layers that the kernel lacks, and
the plain loop.

No file outside of this folder imports torch, and others import this folder inside functions only.
"""

import importlib.util

from seedbed.errors import OptionError


def has_torch() -> bool:
    """Return whether PyTorch is installed. It isn't imported."""
    return importlib.util.find_spec("torch") is not None


def require_torch(what: str) -> None:
    """Raise OptionError if PyTorch isn't installed; `what` needs it, the subject of a sentence."""
    if not has_torch():
        raise OptionError(
            f"{what} needs PyTorch", "Install it: pip install 'seedbed[torch]'."
        )
