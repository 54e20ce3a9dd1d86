"""What a network is asked to do, and how it is trained for it."""

import dataclasses
import re
from collections.abc import Callable
from numbers import Real
from typing import Any

from .. import train
from .._checks import check_integer
from ..correction import CorrectedStepper
from .scenarios import Evolution, Pairs, Scenario, Trajectories

FULL_STEPS = 10_000

METHODS = ("one-step", "unrolled", "pushforward")


@dataclasses.dataclass(frozen=True)
class Training:
    """A training protocol; the defaults are APEBench's (Koehler et al., 2024).

    Adam on the mean squared error of random batches. The learning rate rises linearly from zero to its peak over
    `warmup` of the steps, and falls back to zero along a cosine.
    """

    num_steps: Any = FULL_STEPS
    method: str = "one-step"
    """`"one-step"`: from each true state to the next. `"unrolled-5"`: 5 steps, gradients through all of them.
    `"pushforward-5"`: 5 steps, gradients through the last (Brandstetter et al., 2022)."""
    batch_size: Any = 20
    peak_learning_rate: Any = 1e-3
    warmup: Any = 0.2

    def __post_init__(self):
        check_integer("num_steps", self.num_steps)
        check_integer("batch_size", self.batch_size)
        if not self.peak_learning_rate > 0:
            raise ValueError(
                f"`peak_learning_rate` must be positive, got {self.peak_learning_rate}. APEBench's is 1e-3."
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"`warmup` must be a part of the steps from 0 to 1, got {self.warmup}. APEBench's is 0.2.")
        if not re.fullmatch(r"one-step|(unrolled|pushforward)-[1-9]\d*", self.method):
            raise ValueError(
                f"`method` must be 'one-step', 'unrolled-K' or 'pushforward-K', got {self.method!r}. Write "
                "'unrolled-5', say."
            )

    @property
    def unrolled_steps(self) -> int:
        """How many steps a loss takes."""
        return 1 if self.method == "one-step" else int(self.method.rpartition("-")[2])

    @property
    def config(self) -> dict[str, Any]:
        """All that defines the protocol, as plain values."""
        return dataclasses.asdict(self)

    @property
    def label(self) -> str:
        """For headings."""
        return f"{self.method}, {self.num_steps:,} steps"

    def check(self, scenario: Scenario) -> None:
        """**Raises:** `ValueError` if the method takes more steps than the training data have."""
        most = scenario.train_temporal_horizon if isinstance(scenario, Evolution) else 1
        if self.unrolled_steps > most:
            raise ValueError(
                f"`method` must take at most as many steps as the training data of {scenario.label} have ({most}), got "
                f"{self.method!r}. Unroll less, or raise `train_temporal_horizon` of an evolution."
            )

    def optimizer(self) -> Any:
        import optax

        num_warmup = round(self.warmup * self.num_steps)
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, self.peak_learning_rate, warmup_steps=num_warmup, decay_steps=self.num_steps
        )
        return optax.adam(schedule)

    def loss_and_samples(self, data: Trajectories | Pairs, weights: Any) -> tuple[Callable, Any]:
        """A loss for `train.fit`, and the samples that its batches are drawn from."""
        if isinstance(data, Pairs):
            samples = (data.training_inputs, data.training_targets)
            return (lambda network, batch: train.supervised_loss(network, batch, weights=weights)), samples
        num_steps = self.unrolled_steps
        loss = train.unrolled_loss(num_steps, pushforward=self.method.startswith("pushforward"), weights=weights)
        return loss, train.windows(data.training, num_steps + 1)


TASKS = ("predict", "correct")
MODES = ("sequential", "parallel", "sequential_with_bypass")


@dataclasses.dataclass(frozen=True)
class Task:
    """What the network is part of.

    | task | one step, or the solution |
    |---|---|
    | `"predict"` | $N(u)$: the network does all; for a steady problem it is the solution operator |
    | `"correct"` | a coarse solver and the network, as [`pdequinox.correction.CorrectedStepper`][] puts them together |
    """

    name: str = "predict"
    proportion: Any = 1.0
    """Of the coarse solver: the part of the step that it takes (APEBench's `coarse_proportion`)."""
    factor: Any = 1.0
    """Of the coarse solver: by how much its grid is coarser."""
    mode: str = "sequential"
    """How the two are combined: `"sequential"`, `"parallel"` or `"sequential_with_bypass"`."""

    def __post_init__(self):
        if self.name not in TASKS:
            raise ValueError(f"`task` must be one of {', '.join(TASKS)}, got {self.name!r}. Check the spelling.")
        if self.mode not in MODES:
            raise ValueError(f"`mode` must be one of {', '.join(MODES)}, got {self.mode!r}. Check the spelling.")
        are_numbers = all(isinstance(x, Real) and not isinstance(x, bool) for x in (self.proportion, self.factor))
        if not are_numbers or not 0 < self.proportion <= 1 or not self.factor >= 1:
            raise ValueError(
                "`coarse` must have a proportion above 0 and up to 1 and a factor of at least 1, got "
                f"{self.proportion} and {self.factor}. Write 'proportion=0.5' or 'factor=2', say."
            )
        for name in ("proportion", "factor"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 2 and 2.0 are the same task
        if self.name == "correct" and self.proportion == 1 and self.factor == 1:
            raise ValueError(
                "`coarse` must say what there is to correct, got the reference solver itself. Write 'proportion=0.5' "
                "or 'factor=2', say."
            )

    @property
    def config(self) -> dict[str, Any]:
        """All that defines the task, as plain values."""
        return {"name": self.name} if self.name == "predict" else dataclasses.asdict(self)

    @property
    def label(self) -> str:
        """For headings."""
        if self.name == "predict":
            return "predict"
        parts = [f"{100 * self.proportion:g} % of the step"] if self.proportion != 1 else []
        parts += [f"a grid {self.factor:g} times coarser"] if self.factor != 1 else []
        return f"correct a solver with {' on '.join(parts)}, {self.mode}"

    def check(self, scenario: Scenario) -> None:
        """**Raises:** `ValueError` if there is no solver to correct."""
        if self.name == "correct" and not (isinstance(scenario, Evolution) and scenario.has_solver):
            raise ValueError(
                f"`task` must be 'predict' for {scenario.label}, which has no time stepper, got 'correct'. Choose an "
                "evolution with a solver."
            )
        if self.factor != 1 and not scenario.has_coarse_grids:
            raise ValueError(
                f"`factor` must be 1 for {scenario.label}, which cannot be solved on other grids and interpolated, got "
                f"{self.factor:g}. Use a proportion."
            )

    def assemble(self, network: Any, scenario: Scenario) -> Any:
        """The network, or the corrected solver, as one map of states."""
        self.check(scenario)
        if self.name == "predict":
            return network
        assert isinstance(scenario, Evolution)
        coarse = scenario.coarse_stepper(proportion=self.proportion, factor=self.factor)
        return CorrectedStepper(coarse, network, self.mode)
