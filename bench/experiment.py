"""The whole contract between the harness and an experiment: what an experiment declares, and what it is handed."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import chdir
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from pydantic import TypeAdapter

from bench.errors import BenchError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Progress = Callable[[float], None]
"""Called by an experiment with the fraction of its batch that is done, from 0 to 1, as often as it likes."""


@dataclass(frozen=True)
class Metric:
    """A number that an experiment reports for every run, declared once and used by every table and figure."""

    name: str
    label: str
    unit: str = ""
    better: Literal["lower", "higher", "neither"] = "neither"
    scale: Literal["identity", "log"] = "identity"
    range: tuple[float, float] | None = None
    """Between which values it always lies, as (0, 1) for an accuracy: bounds what lost runs could change."""
    note: str = ""
    """A caveat printed wherever the metric is: what it does not mean, or why it is only an exhibit."""


class Seed(int):
    """The seed of a run of a suite with strata: a hash of the seeds of its strata, which it holds by name.

    >>> seed = Seed.of({"data": 0, "init": 2})
    >>> seed, seed.strata
    (1155218837617337, {'data': 0, 'init': 2})
    """

    strata: Mapping[str, int]

    @classmethod
    def of(cls, strata: Mapping[str, int]) -> Seed:
        """The seed of a run with these seeds of its strata, the outermost first."""
        seed = cls(hashed([*strata.items()]))
        seed.strata = dict(strata)
        return seed


def strata_of(seed: int) -> Mapping[str, int]:
    """Stratum -> its seed, the outermost first; empty for a seed without strata."""
    return seed.strata if isinstance(seed, Seed) else {}


def hashed(value: Any, bits: int = 53) -> int:
    """A seed of at most 53 bits, which any reader of JSON has exactly, from a value of JSON."""
    return int.from_bytes(hashlib.sha256(json.dumps(value).encode()).digest()[:8], "big") >> (64 - bits)


@dataclass(frozen=True)
class Job:
    """One run: the parameters of a cell and the seed of a replicate."""

    params: Any
    seed: int

    @property
    def seeds(self) -> Mapping[str, int]:
        """Stratum -> its seed, the outermost first, in a suite that has strata; else empty."""
        return strata_of(self.seed)

    def seed_of(self, stratum: str) -> int:
        """The seed of a stratum; where the suite does not name it, that of its first stratum, or the job's only one.

        >>> from bench.experiment import Seed
        >>> Job(None, Seed.of({"data": 0, "sae": 2})).seed_of("sae"), Job(None, 7).seed_of("sae")
        (2, 7)
        """
        return self.seeds.get(stratum, next(iter(self.seeds.values()), self.seed))


@dataclass(frozen=True)
class Outcome:
    """What one job came to. An experiment with nothing to add yields the bare mapping of metrics instead."""

    metrics: Mapping[str, float]
    diverged: str = ""
    """Why the run counts as diverged; empty for a run that went well."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why its value is NaN."""
    arrays: Mapping[str, ArrayLike] = field(default_factory=dict)
    """Name -> a small array of floats or integers to keep beside the metrics (``bench.arrays`` gives it back)."""


def _all_together(_params: Any) -> Hashable:
    return None


@dataclass(frozen=True)
class Experiment:
    """Any function from jobs to metrics, with what the harness must know to plan, store and report its runs.

    ``params``: a pydantic model or a dataclass, every field with a default; each field can be a factor of a suite. Runs
    are known, and sent to workers, by their parameters' JSON, which must give the parameters back as they were.
    ``run(jobs, progress)``: yields one outcome per job, in the order of the jobs. A job's outcome must not depend on
    its companions in the batch: the harness batches, resumes and distributes as it likes.
    ``batch_by(params)``: jobs with equal values may be handed to ``run`` together; by default every job may.
    ``batch_size``: how many jobs are worth running together at most (1 for a plain loop).
    ``version``: part of each job's identity. Change it when the code would give other numbers, so that stored results
    are not mixed with new ones.
    ``environment()``: what else decides the last bits of numbers made in this process (name -> value, as text), e.g.
    which of several implementations it uses; recorded with every result. It is also called where a run is coordinated,
    before its workers start, so that it may build what they need and say, once, what the user should know.
    ``sources``: files or folders, from the folder of the module, that its numbers depend on beside the module itself
    and what that imports from its own package or folder: data, or code elsewhere. A change in any of them is told.
    ``strata``: parts of a run that take a seed of their own (``Job.seed_of``), which a suite may then vary one by one.
    """

    params: type
    metrics: Sequence[Metric]
    run: Callable[[Sequence[Job], Progress], Iterator[Outcome | Mapping[str, float]]]
    batch_by: Callable[[Any], Hashable] = _all_together
    batch_size: int = 1
    version: str = "1"
    environment: Callable[[], Mapping[str, str]] = dict
    sources: Sequence[str] = ()
    strata: Sequence[str] = ()

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.params)

    @cached_property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> JSON schema of every parameter, in the order of declaration."""
        properties: dict[str, dict[str, Any]] = self._adapter.json_schema().get("properties", {})
        return properties

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Name -> default value, as JSON values."""
        return self.values(self.make({}))

    def values(self, params: Any) -> Mapping[str, Any]:
        """Name -> value of every parameter, and of every computed field, as JSON values; sets are sorted."""
        values: dict[str, Any] = _sorted_sets(params, self._adapter.dump_python(params, mode="json", warnings=False))
        return values

    def inputs(self, params: Any) -> Mapping[str, Any]:
        """Name -> value of every parameter as JSON values from which ``make`` makes the same parameters."""
        dump = self._adapter.dump_python(params, mode="json", round_trip=True, warnings=False)
        inputs: dict[str, Any] = _sorted_sets(params, dump)
        return inputs

    def make(self, values: Mapping[str, Any]) -> Any:
        """Validated parameters; raises ``pydantic.ValidationError`` with one entry per fault."""
        return self._adapter.validate_python(deepcopy(dict(values)))  # a validator may take its input apart

    def changed(self, params: Any) -> Mapping[str, Any]:
        """Name -> value of every parameter that differs from its default, as JSON values; 1, 1.0 and true differ."""
        defaults, texts = self.defaults, self._default_texts
        return {
            name: value
            for name, value in self.values(params).items()
            if value != defaults.get(name) or _json_text(value) != texts.get(name)
        }

    @cached_property
    def _default_texts(self) -> Mapping[str, str]:
        return {name: _json_text(value) for name, value in self.defaults.items()}

    def key(self, job: Job) -> str:
        """Identity of a job: a hash of the parameters that differ from their defaults, the seed and the version.

        A new parameter whose default is the old behaviour leaves the keys of stored results as they are.
        """
        return identify(self.changed(job.params), job.seed, self.version)


def function(
    metrics: Sequence[Metric | str], *, version: str = "1", sources: Sequence[str] = ()
) -> Callable[[Callable[[Any, int], Outcome | Mapping[str, float]]], Experiment]:
    """Make an experiment of a function that runs one job: ``run(params, seed)`` -> metric -> number, or an ``Outcome``.

    The annotation of its first argument says what its parameters are: a dataclass or a pydantic model, every field with
    a default. A suite names the experiment by the name of the function. A metric may be given by its name alone.
    ``version`` and ``sources`` as in ``Experiment``, which takes several jobs at a time.

        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Params:
        ...     rate: float = 0.1
        >>> @function(metrics=["loss"])
        ... def train(params: Params, seed: int) -> dict[str, float]:
        ...     return {"loss": params.rate + seed}
        >>> [outcome["loss"] for outcome in train.run([Job(Params(), 0), Job(Params(rate=0.5), 1)], print)]
        [0.1, 1.5]

    Raises:
        BenchError: the function does not take two arguments, yields, or does not say what its parameters are.
    """

    def experiment(run: Callable[[Any, int], Outcome | Mapping[str, float]]) -> Experiment:
        def one_by_one(jobs: Sequence[Job], _progress: Progress) -> Iterator[Outcome | Mapping[str, float]]:
            return (run(job.params, job.seed) for job in jobs)

        declared = [Metric(metric, metric) if isinstance(metric, str) else metric for metric in metrics]
        return Experiment(_params_of(run), declared, one_by_one, version=version, sources=sources)

    return experiment


def _params_of(run: Callable[..., Any]) -> type:
    """The class of the parameters of a function that runs one job."""
    hint = "Write: def run(params: Params, seed: int) -> dict[str, float], with Params a dataclass or pydantic model."
    name = getattr(run, "__name__", repr(run))
    if inspect.isgeneratorfunction(run) or inspect.iscoroutinefunction(run):
        raise BenchError(f"{name} must return the metrics of one job.", hint=hint)
    try:
        arguments = inspect.signature(run)
        arguments.bind(None, 0)
        hints = get_type_hints(run)
    except (TypeError, NameError) as error:
        raise BenchError(f"{name} cannot run a job: {error}.", hint=hint) from error
    params = hints.get(next(iter(arguments.parameters)))
    if not isinstance(params, type):
        raise BenchError(f"{name} does not say which class its parameters are of.", hint=hint)
    return params


def identify(changed: Mapping[str, Any], seed: int, version: str) -> str:
    """The key of a job (``Experiment.key``), from what is stored of its cell: no experiment is needed to find it."""
    return identifier(changed, version)(seed)


def identifier(changed: Mapping[str, Any], version: str) -> Callable[[int], str]:
    """Seed -> ``identify(changed, seed, version)``, for the many jobs of one cell.

    What is hashed is the JSON text of ``[changed, seed, version]`` with sorted keys.
    """
    head = f"[{json.dumps(changed, sort_keys=True)}, ".encode()
    tail = f", {json.dumps(version)}]".encode()
    return lambda seed: hashlib.sha256(b"%b%d%b" % (head, seed, tail)).hexdigest()[:20]


_json_text = json.JSONEncoder(sort_keys=True).encode


def _sorted_sets(value: Any, dump: Any) -> Any:
    """``dump``, the JSON values of ``value``, with sets in the order of their elements, not of their hashes."""
    if isinstance(dump, dict):
        parts = list(value.values()) if isinstance(value, Mapping) else [getattr(value, name, None) for name in dump]
        pairs = zip(parts, dump.items(), strict=True) if len(parts) == len(dump) else ()
        return dump | {name: _sorted_sets(part, item) for part, (name, item) in pairs}
    if isinstance(dump, list) and isinstance(value, list | tuple | AbstractSet) and len(value) == len(dump):
        items = [_sorted_sets(part, item) for part, item in zip(value, dump, strict=True)]
        is_numeric = all(isinstance(item, int | float) for item in items)
        return sorted(items, key=None if is_numeric else _json_text) if isinstance(value, AbstractSet) else items
    return dump


def resolve(reference: str) -> Experiment:
    """The experiment named ``package.module:NAME``."""
    module_name, _, name = reference.partition(":")
    hint = 'An experiment is named "package.module:NAME", e.g. "polysem.toy:EXPERIMENT".'
    if not (module_name and name):
        raise BenchError(f"{reference!r} does not name an experiment.", hint=hint)
    try:
        with chdir("."):  # what a module makes its current folder is not that of bench
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises is theirs to read, not ours to die of
        raise BenchError(f"{module_name!r} cannot be imported: {type(error).__name__}: {error}", hint=hint) from error
    found = getattr(module, name, None)
    if not isinstance(found, Experiment):
        known = sorted(key for key, value in vars(module).items() if isinstance(value, Experiment))
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise BenchError(f"{module_name!r} has no Experiment called {name!r} ({has}).", hint=hint)
    return found
