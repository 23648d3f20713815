"""YAML as people write it for us: plain values, each key once."""

from typing import Any

import yaml


class KeyWrittenTwice(yaml.MarkedYAMLError):
    """A mapping has a key twice: YAML would keep the last and silently drop the first."""


class UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        """Build a mapping. Raises `KeyWrittenTwice`, which has the place."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value} is written twice; keep one, or give one another name"
                raise KeyWrittenTwice(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
