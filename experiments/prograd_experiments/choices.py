"""What is installed becomes part of the configuration: losses as choices of a group, and all names in `--help`."""

from __future__ import annotations

import dataclasses
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

import prograd
from prograd_experiments.layers import activations

PROVIDER = "prograd"


def store() -> None:
    """Puts the registry's choices where Hydra looks for them; before `hydra.main` runs."""
    hydra = ConfigStore.instance()
    for name, loss in prograd.registry().losses.items():
        hydra.store(group="loss", name=name, node={"name": name, **options(loss)}, provider=PROVIDER)
    hydra.store(group="hydra/help", name="prograd", node=help_page(), provider=PROVIDER)


def options(cls: type[object]) -> dict[str, Any]:
    """The options of a registered class with their defaults; `???` where one has to be given."""
    if not dataclasses.is_dataclass(cls):
        return {}
    return {field.name: _default(field) for field in dataclasses.fields(cls) if field.init}


def help_page() -> dict[str, str]:
    """What `prograd-run --help` prints around the groups and the configuration."""
    return {
        "app_name": "prograd-run",
        "header": (
            "prograd-run measures gradients of layered functions.\n\n"
            "  prograd-run depth=4 width=32                      one job\n"
            "  prograd-run -m                                    the experiment's own sweep\n"
            "  prograd-run -m depth=2,4,8 width=16,64 data=wine  a sweep of one's own"
        ),
        "footer": (
            "A sweep leaves record.json for each job, summary.csv, a picture and report.html in its directory, which\n"
            "hydra.sweep.dir=DIR sets; `prograd collect DIR` makes them again. Hydra's own flags: --hydra-help"
        ),
        "template": (
            "${hydra.help.header}\n\n== Groups (group=choice) ==\n\n$APP_CONFIG_GROUPS\n"
            f"== Layers, for network=custom ==\n\n{', '.join(prograd.registry().layers)}\n\n"
            f"== Activations ==\n\n{', '.join(activations())}\n\n"
            f"== Modes ==\n\n{', '.join(prograd.MODES)}\n\n"
            "== Configuration (key=value) ==\n\n$CONFIG\n${hydra.help.footer}\n"
        ),
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return MISSING
