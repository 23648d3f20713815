"""The rules file."""

from functools import cache
from pathlib import Path

import yaml

from services.notifications.domain.rules import RuleBook

_DEFAULT = Path(__file__).parents[1] / "rules" / "default.yml"


@cache
def rule_book() -> RuleBook:
    """Return the rules in force, read once. Raises `BadRuleBookError`."""
    return RuleBook.read(yaml.safe_load(_DEFAULT.read_text(encoding="utf-8")))
