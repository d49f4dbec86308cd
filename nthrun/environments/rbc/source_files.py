"""The game's choices and settings under the names of the files of the original tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.environments.rbc.grids import (
    CONSUMER,
    FIRM,
    GOVERNMENT,
    Values,
    alphas,
    capital,
    choice_tables,
    firm_money,
    num_steps,
)

WORLD = {
    "initial_consumer_endowment": "consumer_endowment",
    "initial_stocks": "initial_stock",
    "initial_prices": "initial_price",
    "initial_wages": "initial_wage",
    "interest_rate": "interest_rate",
    "consumer_theta": "consumer_theta",
    "crra_param": "crra",
    "paretoscaletheta": "pareto_scale",
    "importer_price": "importer_price",
    "importer_quantity": "importer_quantity",
    "labor_floor": "labour_floor",
}
"""Keys of the section `world`: the fields of a spec that have their values."""
TRAIN = {
    "batch_size": "num_worlds",
    "entropy": "entropy_weight",
    "value_loss_weight": "value_weight",
    "clip_grad_norm": "max_grad_norm",
    "ppo_num_updates": "updates",
    "ppo_clip_param": "clip",
}
"""Keys of the section `train`: the hyperparameters that have their values."""


def action_arrays(values: Values) -> dict[str, np.ndarray]:
    """What choices mean, float32, by the original's names: `consumption_choices` and `work_choices`
    `(size, 1)`, `price_and_wage` `(size, 3)`, and with a government `tax_choices` `(size, 2)`."""
    consumer, (firm,) = choice_tables(values, CONSUMER), choice_tables(values, FIRM)
    arrays = {
        "consumption_choices": consumer[0],
        "work_choices": consumer[-2],
        "price_and_wage": firm,
    }
    if values["num_governments"]:
        arrays["tax_choices"] = choice_tables(values, GOVERNMENT)[0]
    return {name: table.astype(np.float32) for name, table in arrays.items()}


def action_array(values: Values, role: str) -> np.ndarray:
    """The `action_array` of a role's file: of consumers the hours of work."""
    names = {CONSUMER: "work_choices", FIRM: "price_and_wage", GOVERNMENT: "tax_choices"}
    return action_arrays(values)[names[role]]


def hparams(values: Values, setting: Mapping[str, Any]) -> dict[str, Any]:
    """The sections `agents`, `world` and `train` of `hparams.yaml`.

    Args:
        values: of the environment's spec.
        setting: hyperparameters of the run.
    """
    roles = (CONSUMER, FIRM, GOVERNMENT)
    agents = {f"num_{role}s": values[f"num_{role}s"] for role in roles}
    agents["government_counts_firm_reward"] = int(bool(values["government_counts_firm_reward"]))
    agents["firm_reward_for_government_factor"] = values["firm_reward_for_government_factor"]
    for key, name in (("reward_scale", "reward_scale"), ("learning_start", "training_start")):
        each = _of_roles(setting.get(key, ()), roles)
        agents |= {f"{role}_{name}": value for role, value in each.items()}
    world = {name: values[field] for name, field in WORLD.items()}
    world |= {
        "maxtime": num_steps(values),
        "initial_firm_endowment": firm_money(values),
        "initial_capital": capital(values).tolist(),
        "production_alpha": alphas(values).tolist(),
        "use_importer": int(bool(values["importer"])),
    }
    train = {name: setting[field] for name, field in TRAIN.items() if field in setting}
    train |= {"gamma": values["gamma"], "num_episodes": values["total_timesteps"]}
    train |= {"save_dense_every": values["snapshot_interval_timesteps"]}
    train["use_ppo"] = setting.get("loss", "ppo" if "clip" in setting else "pg") == "ppo"
    if "lr" in setting:
        rates = _of_roles(setting["lr"], roles)
        train["lr"] = largest = max(rates.values())
        agents |= {f"{role}_lr_multiple": r / (largest or 1.0) for role, r in rates.items()}
    return {"agents": agents, "world": world, "train": train}


def _of_roles(listed: Sequence[Any], roles: Sequence[str]) -> dict[str, Any]:
    """A number for each role, of a list of one for all or of one for each; nothing of none."""
    each = listed if len(listed) > 1 else [*listed] * len(roles)
    return dict(zip(roles, each, strict=False))
