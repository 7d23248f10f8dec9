"""Options of the tests: --one-in=N runs a part of them."""

import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-in",
        type=int,
        default=1,
        metavar="N",
        help="of the cases of tests with many (parameters), run one in N, always the same ones",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    n = config.getoption("--one-in")
    left_out = [i for i in items if hasattr(i, "callspec") and zlib.crc32(i.name.encode()) % n]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [i for i in items if i not in gone]
