"""The folder of onboarding templates."""

from functools import cache
from pathlib import Path

import yaml

from services.onboarding.domain.template import BrokenTemplate, Template, Templates, template_of
from services.onboarding.settings import TemplateSettings


@cache
def templates() -> Templates:
    """Return the templates of this process, read once: a new version arrives with a restart.

    Raises `BrokenTemplate` or `NoDefaultTemplate`.
    """
    return read_templates(TemplateSettings().onboarding_templates)


def read_templates(folder: Path) -> Templates:
    """Read every ``<segment>.yml`` of a folder. Raises `BrokenTemplate`, `NoDefaultTemplate`."""
    return Templates({path.stem: _read(path) for path in sorted(folder.glob("*.yml"))})


def _read(path: Path) -> Template:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BrokenTemplate(f"{path.name} is not YAML: {error}") from None
    return template_of(path.stem, document)
