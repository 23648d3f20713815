"""Templates of plans in files of the company's own."""

from pathlib import Path

import pytest

from services.onboarding.domain.template import BrokenTemplate
from services.onboarding.gateways import read_templates


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "default.yml").write_text("milestones: [", encoding="utf-8")
    with pytest.raises(BrokenTemplate, match=r"default\.yml is not YAML"):
        read_templates(tmp_path)
