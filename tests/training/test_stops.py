"""The sizes of chunks."""

import pytest

from seedbed.settings.recipe import Recipe
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk

from .plain_loop import network_in_words

pytestmark = pytest.mark.usefixtures("engine")


def test_chunks_of_the_kernel_are_as_even_as_blocks_of_eight_allow(two_splits):
    plan = plan_chunks(
        Chunk(
            network_in_words("relu:4"),
            two_splits,
            Recipe.tutorial(epochs=2),
            seeds=range(100),
            splits=[0] * 100,
        )
    )
    sizes = [56, 44] if plan[0].engine == "native" else [100]
    assert [len(chunk.networks) for chunk in plan] == sizes
