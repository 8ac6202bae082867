"""Adapters of a language model: prompts, stages, penalties, steering, cache, measures and controls, on tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from math import isnan, sqrt
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from filelock import FileLock
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures

import bench
from bench.experiment import Job, Outcome
from polysem.lora import EXPERIMENT, Params, adapters, cache, measures, model, prompts

SUITES = Path(__file__).parents[2] / "suites"
TINY = dict.fromkeys(("first_layer", "layers", "sae_epochs", "text_windows"), 1) | {
    "model": "tiny",
    "n_train": 96,
    "n_held_out": 30,
    "steps": 40,
    "lr": 1e-2,
    "sae_width": 40,
    "sae_sparsity": 4,
    "text_context": 32,
}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp()))
        yield


def _run(seed: int = 0, **params: object) -> Outcome:
    (outcome,) = EXPERIMENT.run([Job(Params.model_validate({**TINY, **params}), seed)], lambda _: None)
    assert isinstance(outcome, Outcome)
    return outcome


# Prompts


def test_what_is_held_out_is_never_trained_on() -> None:
    """Each kind of prompts held out is new in what its name says, and old in the rest; templates are told by words."""
    train, held_out = prompts.draw(3, n_train=3000, n_held_out=200, copied=0.6)

    def frames(texts: list[str], x: np.ndarray) -> list[str]:
        words = {word for pairs in prompts.WORDS for pair in pairs for word in pair}
        return [" ".join("_" if word.strip(",.;:") in words else word for word in text.split()) for text in texts]

    seen_frames, seen = set(frames(list(train.texts), train.x)), {tuple(row) for row in train.x}
    all_frames = frames(list(held_out.texts), held_out.x)
    new_frame = np.array([frame not in seen_frames for frame in all_frames]).reshape(3, -1)
    new_row = np.array([tuple(row) not in seen for row in held_out.x]).reshape(3, -1)
    assert (new_frame.mean(axis=1).tolist(), new_row[1:].mean(axis=1).tolist()) == ([1, 0, 1], [1, 1])
    assert new_row[0].mean() < 0.05  # an old combination may be too rare to have been drawn


def test_every_output_can_be_told_from_words_on_templates_and_combinations_held_out() -> None:
    """A linear rule on words and pairs of words, learned from the prompts to train on, answers all others."""
    train, held_out = prompts.draw(1, n_train=600, n_held_out=150, copied=0.6)
    pairs = PolynomialFeatures(2, interaction_only=True)
    for output in range(3):
        rule = LogisticRegression(C=100.0, max_iter=1000).fit(pairs.fit_transform(train.x), train.y[:, output])
        assert rule.score(pairs.transform(held_out.x), held_out.y[:, output]) == 1.0
        assert 0.25 < train.y[:, output].mean() < 0.75


def test_sentences_say_their_attributes_and_seeds_say_them_otherwise() -> None:
    """From the words of a sentence its attributes can be read; another seed has other words, templates and prompts."""
    (train, _), (other, _) = (prompts.draw(seed, n_train=50, n_held_out=1, copied=0.6) for seed in (0, 1))
    for text, row in zip(train.texts, train.x, strict=True):
        words = {word.strip(",.;:") for word in text.split()}
        said = [
            {i for i, (off, on) in enumerate(group) if (off, on)[int(bit)] in words}
            for group, bit in zip(prompts.WORDS, row, strict=True)
        ]
        assert all(said)
    assert set(train.texts).isdisjoint(other.texts)


def test_attributes_of_a_group_correlate_and_groups_do_not() -> None:
    """By the square of the share copied; all combinations' chances add up to 1."""
    chance = prompts.combination_chances(0.6)
    x = 2.0 * ((np.arange(256)[:, None] >> np.arange(8)) & 1) - 1
    assert chance.sum() == pytest.approx(1)
    group = np.repeat([0, 1, 2], [3, 2, 3])
    expected = np.where(group[:, None] == group, 0.36, 0.0)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(x.T @ (chance[:, None] * x), expected, atol=1e-12)


# The model


def _folder(path: Path) -> tuple[Path, transformers.LlamaForCausalLM]:
    """A model of four layers and a vocabulary of words, in Hugging Face format."""
    config = transformers.LlamaConfig(**{**model.TINY, "num_hidden_layers": 4, "vocab_size": 60})
    whole = transformers.LlamaForCausalLM(config)
    words = ["[UNK]", "the", "a", "box", "by", "car", "man", "small", "large", "red", "blue", "."]
    vocabulary = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: k for k, word in enumerate(words)}, "[UNK]"))
    vocabulary.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    for part in (whole, transformers.PreTrainedTokenizerFast(tokenizer_object=vocabulary, unk_token="[UNK]")):
        part.save_pretrained(path)
    return path, whole


def test_stages_of_a_local_folder_give_the_logits_of_the_whole_model_to_the_bit(tmp_path: Path) -> None:
    """Through the cached prefix, the adapted layers and the rest; padding after the end changes nothing before it."""
    folder, whole = _folder(tmp_path / "model")
    language = model.load(str(folder), first=1, layers=2)
    tokens, ends = model.pad([language.encode("the small box by car"), language.encode("a large red box by the man .")])
    assert ends.tolist() == [4, 7]
    hidden = torch.from_numpy(model.apply(language.adapted, language.enter(tokens)))
    with torch.no_grad():
        staged = language.above(inputs_embeds=hidden).last_hidden_state @ language.readout.T
        full = whole(input_ids=torch.from_numpy(tokens)).logits
    assert torch.equal(staged, full)
    torch.testing.assert_close(full[0, 4], whole(input_ids=torch.from_numpy(tokens[:1, :5])).logits[0, 4])


def test_adapters_that_start_change_no_bit_and_only_they_can_be_trained() -> None:
    """B is 0 at the start; of the whole model only the factors of the adapted layers take gradients."""
    language = model.load("tiny", first=1, layers=1)
    states = language.enter(np.arange(12, dtype=np.int64).reshape(2, 6))
    before = model.apply(language.adapted, states)
    factors = adapters.attach(language.adapted, 3, np.random.default_rng(0))
    assert np.array_equal(model.apply(language.adapted, states), before)
    trained = [p for stage in (language.below, language.adapted, language.above) for p in stage.layers.parameters()]
    assert sum(p.requires_grad for p in trained) == 2 * len(factors) == 14


def test_a_random_model_of_another_seed_is_another_model() -> None:
    """The control draws every matrix anew, and its states are cached apart."""
    states = [model.load("tiny", first=1, layers=1, random=seed).enter(np.ones((1, 4), np.int64)) for seed in (1, 2, 1)]
    assert np.array_equal(states[0], states[2])
    assert not np.allclose(states[0], states[1])


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without transformers, without peft, or without the model's wheel; a folder that is none is named too."""
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "transformers", None)
        with pytest.raises(RuntimeError, match=r"transformers.*make lora"):
            model.load("tiny", first=1, layers=1)
    with monkeypatch.context() as without:
        without.setattr(model, "find_spec", lambda _: None)
        with pytest.raises(RuntimeError, match=r"smollm2 is not installed.*make lora"):
            model.load("smollm2", first=24, layers=4)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "peft", None)
        with pytest.raises(RuntimeError, match=r"peft.*make lora"):
            _run()
    with pytest.raises(ValueError, match=r"nowhere has no config\.json.*smollm2"):
        model.load("nowhere", first=0, layers=1)
    with pytest.raises(ValueError, match="Layers 1 to 2 are to be adapted; the model has 2"):
        model.load("tiny", first=1, layers=2)


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading tells the library to stay offline."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    model.load("tiny", first=1, layers=1)
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"


# The cache


def test_an_array_is_made_once_and_again_if_it_was_damaged() -> None:
    """A file cut short or changed is not read, and neither is one that a killed process had not yet renamed."""
    made: list[int] = []

    def make(index: int) -> np.ndarray:
        made.append(index)
        return np.full((3, 2), index, np.float32)

    key = cache.key_of("damaged")
    for _ in range(2):
        assert cache.shared([key], make)[0].tolist() == [[0, 0]] * 3
    assert made == [0]
    (path,) = cache.folder().glob(f"{key}-*.npy")
    path.write_bytes(path.read_bytes()[:-4])
    assert cache.shared([key], make)[0].tolist() == [[0, 0]] * 3
    assert made == [0, 0]
    assert cache.key_of("a", "b") != cache.key_of("ab") != cache.key_of("a", "b", "")


def test_what_another_process_is_making_is_waited_for_last() -> None:
    """With the first array locked elsewhere the second is made first, so that two processes share the work."""
    keys = [cache.key_of("shared", str(k)) for k in range(2)]
    elsewhere = FileLock(cache.folder() / f"{keys[0]}.lock")
    elsewhere.acquire()
    order: list[int] = []

    def make(index: int) -> np.ndarray:
        elsewhere.release(force=True)
        order.append(index)
        return np.array([index])

    assert [int(of[0]) for of in cache.shared(keys, make)] == [0, 1]
    assert order == [1, 0]


# Penalties and steering


def _factors(seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng = np.random.default_rng(seed)
    return [
        (torch.from_numpy(rng.standard_normal((2, n))), torch.from_numpy(rng.standard_normal((m, 2))))
        for n, m in ((5, 4), (3, 6))
    ]


def test_penalties_are_those_of_the_product_or_of_the_factors() -> None:
    """Entrywise ones do not see how Delta W is factored, those on factors do; nuclear is least for balanced ones."""
    factors = _factors()
    products = [(b @ a).numpy() for a, b in factors]
    assert float(adapters.penalty("l1", factors)) == pytest.approx(sum(np.abs(w).sum() for w in products))
    assert float(adapters.penalty("l2", factors)) == pytest.approx(sum(np.square(w).sum() for w in products))
    assert float(adapters.delta_norm(factors)) == pytest.approx(sqrt(sum(np.square(w).sum() for w in products)))
    assert float(adapters.penalty("none", factors)) == 0
    other = [(2 * a, b / 2) for a, b in factors]
    for kind, is_of_product in {"l1": True, "l2": True, "nuclear": False, "l1_factors": False}.items():
        same = float(adapters.penalty(kind, other)) == pytest.approx(float(adapters.penalty(kind, factors)))
        assert same is is_of_product
    balanced = []
    for w in products:
        u, s, v = np.linalg.svd(w, full_matrices=False)
        root = np.sqrt(s[:2])
        balanced.append((torch.from_numpy(root[:, None] * v[:2]), torch.from_numpy(u[:, :2] * root)))
    nuclear = sum(np.linalg.svd(w, compute_uv=False).sum() for w in products)
    assert float(adapters.penalty("nuclear", balanced)) == pytest.approx(nuclear)
    assert float(adapters.penalty("nuclear", factors)) > nuclear


def test_shape_of_a_change() -> None:
    """Hoyer's sparsity and effective rank of matrices with a known answer; NaN for no change."""
    one, eye = torch.zeros(3, 4, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    one[0, 0] = 1.0
    spread = torch.cat([eye, torch.zeros(3, 1, dtype=torch.float64)], dim=1)
    assert adapters.sparsity([(one, eye)]) == pytest.approx(1)
    assert adapters.sparsity([(spread, eye)]) == pytest.approx((sqrt(12) - sqrt(3)) / (sqrt(12) - 1))
    assert adapters.effective_rank([(spread, eye), (one, eye)]) == pytest.approx((3 + 1) / 2)
    assert isnan(adapters.effective_rank([(one, 0 * eye)]))
    assert isnan(adapters.sparsity([(one, 0 * eye)]))


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_steering_brings_the_change_to_its_norm(penalty: str) -> None:
    """Within 2 % at the end, from a lambda far off; its path and that of the norm are kept."""
    outcome = _run(penalty=penalty, steer="norm", target=3.0, reg_lambda=1e-5, steps=150, sae="none")
    assert outcome.metrics["steering_miss"] < 1e-5
    assert outcome.metrics["delta_norm"] == pytest.approx(3, rel=1e-5)
    norms, strengths = (np.asarray(outcome.arrays[f"{name}_path"]) for name in ("norm", "lambda"))
    assert norms.shape == strengths.shape == (150,)
    assert norms[-1] == pytest.approx(outcome.metrics["delta_norm"])
    assert strengths.max() > 10 * strengths[0]


def test_a_change_is_scaled_to_its_norm() -> None:
    """To the nearest change of that norm: every product is multiplied by one number."""
    factors = _factors()
    before = [b @ a for a, b in factors]
    adapters.scale_to(factors, 3.0)
    assert adapters.delta_norm(factors).item() == pytest.approx(3)
    share = float((factors[0][1] @ factors[0][0]).norm() / before[0].norm())
    for (a, b), old in zip(factors, before, strict=True):
        torch.testing.assert_close(b @ a, share * old)


def test_a_loss_is_steered_to_its_target() -> None:
    """Within a quarter at the end, where without a penalty it would be far below."""
    free, steered = (
        _run(penalty="l1", steer=by, target=0.1, steps=160, sae="none", reg_lambda=1e-4) for by in ("none", "loss")
    )
    assert free.metrics["train_loss"] < 0.05
    assert steered.metrics["steering_miss"] < 0.25


# Measures


def test_noise_is_taken_out_of_cosines() -> None:
    """Directions with a cosine of 0.6 look less alike when estimated from noise; corrected they do not."""
    rng = np.random.default_rng(0)
    shared = rng.random(2000) < 0.5
    x = np.stack([np.where(rng.random(2000) < 0.6, shared, rng.random(2000) < 0.5) for _ in range(2)], axis=1).astype(
        float
    )
    true = np.zeros((200, 2))
    true[0], true[1, 1] = (1.0, 0.6), 0.8
    h = x @ true.T + rng.standard_normal((2000, 200)) * 1.5
    found = measures.of_directions(h, x, 0)
    assert found["overlap"] < 0.4
    assert found["overlap_corrected"] == pytest.approx(0.6, abs=0.08)
    assert 0.4 < found["reliability"] < 0.8


def test_a_change_in_few_dimensions_is_held_against_chance_in_these() -> None:
    """Random directions in two of 50 dimensions overlap as much as their own null says, and more than the isotropic."""
    rng = np.random.default_rng(1)
    x = (rng.random((400, 8)) < 0.5).astype(float)
    plane = np.linalg.qr(rng.standard_normal((50, 2)))[0]
    beyond = []
    for _ in range(8):
        h = x @ (plane @ rng.standard_normal((2, 8))).T + 0.01 * rng.standard_normal((400, 50))
        beyond.append(measures.of_directions(h, x, 0))
    assert np.mean([of["overlap_minus_null"] for of in beyond]) == pytest.approx(0, abs=0.1)
    assert np.mean([of["overlap_minus_isotropic"] for of in beyond]) > 0.4


def test_massive_activations_do_not_set_the_scale() -> None:
    """One row a hundred times as long is left out; the others get mean 0 and mean square 1."""
    rng = np.random.default_rng(2)
    h = rng.standard_normal((500, 6)) * 3 + 1
    h[7] *= 100
    kept = measures.is_ordinary(h)
    assert np.flatnonzero(~kept).tolist() == [7]
    scaled = measures.scale_of(h[kept])(h[kept])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    assert np.square(scaled).mean() == pytest.approx(1)


def test_accuracy_is_balanced_and_told_by_kind() -> None:
    """An answer that is always the same scores one half, whatever the shares of the labels."""
    y = np.array([[0, 1], [0, 1], [1, 0]] * 3)
    said = np.zeros((9, 2, 2))
    said[..., 0] = 1.0
    said[:3] = np.eye(2)[y[:3]]
    found = measures.of_task(said, y)
    assert (found["accuracy_templates"], found["accuracy_combinations"], found["test_accuracy"]) == (1.0, 0.5, 0.5)


# Runs


def test_a_run_has_a_value_or_a_reason_for_every_metric_and_the_same_bits_again() -> None:
    """Trained without a penalty: only what is steered has none."""
    first, again = _run(), _run()
    names = {metric.name for metric in EXPERIMENT.metrics}
    assert set(first.metrics) == names
    assert {name for name in names if isnan(first.metrics[name])} == set(first.notes) == {"steering_miss", "lambda_end"}
    assert [float(first.metrics[name]).hex() for name in names] == [float(again.metrics[name]).hex() for name in names]


def test_controls() -> None:
    """The base model changes nothing; a random change has the norm asked for; shuffled labels are other labels."""
    base, random = _run(adapter="base"), _run(adapter="random", target=2.0)
    assert (base.metrics["delta_norm"], base.metrics["text_loss_change"]) == (0, 0)
    assert base.notes["delta_overlap_minus_null"] == "the base model changes nothing"
    assert random.metrics["delta_norm"] == pytest.approx(2, rel=1e-5)
    assert random.notes["train_loss"] == "nothing is trained"
    true, shuffled = _run(steps=150, sae="none"), _run(steps=150, sae="none", labels="shuffled")
    assert true.metrics["accuracy_combinations"] > 0.75
    assert abs(shuffled.metrics["accuracy_combinations"] - 0.5) < 0.2
    assert true.notes["fvu"] == "no autoencoder: sae is none"


def test_an_adapter_that_diverges_is_recorded() -> None:
    """An absurd learning rate: every metric is NaN and says so."""
    outcome = _run(lr=1e30)
    assert outcome.diverged
    assert all(isnan(value) for value in outcome.metrics.values())
    assert set(outcome.notes.values()) == {"the run diverged"}


def _records(out: Path) -> dict[str, str]:
    lines = [line for path in out.glob("*/journal/*") for line in path.read_text().splitlines(keepends=True)]
    return {line: json.loads(line)["key"] for line in lines if line.endswith("\n") and '"key"' in line}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of a run of the smoke suite that SIGKILL ended after some jobs, and their records."""
    out = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", "from bench.cli import main; main()", "run", str(SUITES / "lora_smoke.toml")]
    command += ["--out", str(out), "--workers", "1", "--no-twice"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as coordinator:
        while len(_records(out)) < 2:
            assert coordinator.poll() is None
            time.sleep(0.05)
        os.killpg(coordinator.pid, signal.SIGKILL)
    return out, _records(out)


@pytest.fixture(scope="module")
def resumed(killed: tuple[Path, dict[str, str]]) -> Path:
    """The folder of that run, run again to its end."""
    bench.run(SUITES / "lora_smoke.toml", out=killed[0], executor="serial")
    return killed[0]


def test_a_killed_run_goes_on_with_the_jobs_that_it_had_not_done(
    killed: tuple[Path, dict[str, str]], resumed: Path
) -> None:
    """SIGKILL after some jobs: their records stay as they were, and only the others are run."""
    before, after = killed[1], _records(resumed)
    assert 2 <= len(before) < 6
    assert before.items() <= after.items()
    assert len(after) == len(set(after.values())) == 6


def test_the_smoke_suite_runs_to_a_report(resumed: Path) -> None:
    """Six small runs; L1 makes the sparsest change, and the report has a verdict on every claim."""
    runs = bench.load("lora_smoke", wide=True, out=resumed)
    assert runs["status"].eq("ok").all()
    assert len(runs) == 6
    sparsity = runs.groupby("penalty")["hoyer"].mean()
    assert sparsity["l1"] > max(sparsity["l2"], sparsity["none"])
    assert "less overlap in the change" in str(bench.report("lora_smoke", out=resumed))
