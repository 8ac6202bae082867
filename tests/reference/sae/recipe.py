"""Outputs of two public libraries on given weights, for golden.json: see README.md. Run outside the project.

python recipe.py FOLDER > golden.json, with both libraries' wheels unpacked in FOLDER and torch installed.
"""

# ruff: noqa
# mypy: ignore-errors
import importlib.abc
import importlib.machinery
import json
import sys
import types

import numpy as np
import torch

INPUTS, LATENTS, ROWS = 6, 10, 12
UNUSED = set(
    "circuitsvis datasets dotenv einops huggingface_hub nltk nnsight plotly plotly_express requests"
    " safetensors tenacity tqdm transformer_lens transformers urllib3 wandb".split()
)


class Root(torch.nn.Module):
    def setup(self): ...


class Empty(types.ModuleType):
    """In place of what the libraries import for language models."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in {"HookPoint", "HookedRootModule"}:  # of transformer_lens: here, hooks do nothing
            return {"HookPoint": torch.nn.Identity, "HookedRootModule": Root}[name]
        return type(name, (), {"__class_getitem__": classmethod(lambda cls, key: cls)})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in UNUSED else None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module): ...


def given():
    """Weights and rows with six decimals; columns of the decoder are unit vectors to double precision."""
    rng = np.random.default_rng(2026)
    draw = lambda *shape: np.round(rng.standard_normal(shape), 6)
    decoder = draw(INPUTS, LATENTS)
    weights = {
        "encoder": 0.6 * draw(LATENTS, INPUTS), "encoder_bias": 0.3 * draw(LATENTS),
        "decoder": decoder / np.linalg.norm(decoder, axis=0), "bias": 0.2 * draw(INPUTS),
        "log_threshold": -1 + 0.3 * draw(LATENTS), "log_scale": 0.3 * draw(LATENTS),
        "gate_bias": 0.3 * draw(LATENTS), "magnitude_bias": 0.3 * draw(LATENTS),
    }  # fmt: skip
    x, dead = draw(ROWS, INPUTS), np.isin(np.arange(LATENTS), [4, 9])
    x[3] = 0
    weights["encoder"][dead] *= 0.1  # too small to be among the largest, and not 0
    weights["encoder_bias"][dead] = 0.05
    return weights, x, dead


def out(latents, reconstruction, losses, gradients):
    listed = lambda of: of.detach().numpy().tolist()
    return {
        "latents": listed(latents), "reconstruction": listed(reconstruction),
        "losses": {name: float(loss) for name, loss in losses.items()},
        "gradients": {name: listed(of) for name, of in gradients.items()},
    }  # fmt: skip


def sae_lens(weights, x, dead):
    import sae_lens.saes as s
    from sae_lens.saes.sae import TrainStepInput

    common = {"d_in": INPUTS, "d_sae": LATENTS, "dtype": "float64", "device": "cpu", "apply_b_dec_to_input": True}
    cases = {
        "relu_l1": (s.StandardTrainingSAE, s.StandardTrainingSAEConfig(**common, l1_coefficient=0.3), {"l1": 0.3}),
        "topk": (s.TopKTrainingSAE, s.TopKTrainingSAEConfig(**common, k=2, use_sparse_activations=False), {}),
        "batch_topk": (s.BatchTopKTrainingSAE, s.BatchTopKTrainingSAEConfig(**common, k=2.5), {}),
        "jumprelu": (s.JumpReLUTrainingSAE, s.JumpReLUTrainingSAEConfig(**common, jumprelu_bandwidth=0.5, jumprelu_sparsity_loss_mode="step", pre_act_loss_coefficient=None), {"l0": 0.3}),
        "gated": (s.GatedTrainingSAE, s.GatedTrainingSAEConfig(**common, l1_coefficient=0.3), {"l1": 0.3}),
        "matryoshka": (s.MatryoshkaBatchTopKTrainingSAE, s.MatryoshkaBatchTopKTrainingSAEConfig(**common, k=2.5, matryoshka_widths=[2, 5, 10]), {}),
    }  # fmt: skip
    for name, (kind, config, coefficients) in cases.items():
        sae = kind(config)
        own = {"W_enc": weights["encoder"].T, "W_dec": weights["decoder"].T, "b_dec": weights["bias"]}
        if name == "gated":
            own |= {"b_gate": weights["gate_bias"], "b_mag": weights["magnitude_bias"], "r_mag": weights["log_scale"]}
        else:
            own["b_enc"] = weights["encoder_bias"]
        if name == "jumprelu":
            own["threshold"] = np.exp(weights["log_threshold"])
        for key, value in own.items():
            setattr(sae, key, torch.nn.Parameter(torch.tensor(value)))
        step = TrainStepInput(torch.tensor(x), coefficients, torch.tensor(dead), 0, False)
        ran = sae.training_forward_pass(step)
        ran.loss.backward()
        gradients = {key: getattr(sae, key).grad for key in own}
        yield name, out(ran.feature_acts, ran.sae_out, {**ran.losses, "loss": ran.loss}, gradients)


def dictionary_learning(weights, x, dead):
    from dictionary_learning.trainers import batch_top_k, gdm, jumprelu, matryoshka_batch_top_k, standard, top_k

    torch.set_default_dtype(torch.float64)
    common = {"steps": 10, "activation_dim": INPUTS, "dict_size": LATENTS, "layer": 0, "lm_name": "", "device": "cpu"}
    cases = {
        "relu_l1": standard.StandardTrainer(**common, l1_penalty=0.3, sparsity_warmup_steps=None, warmup_steps=0),
        "topk": top_k.TopKTrainer(**common, k=2, warmup_steps=0),
        "batch_topk": batch_top_k.BatchTopKTrainer(**common, k=2, warmup_steps=0),
        "jumprelu": jumprelu.JumpReluTrainer(**common, bandwidth=0.5, sparsity_penalty=0.3, target_l0=3.0, sparsity_warmup_steps=None, warmup_steps=0),
        "gated": gdm.GatedSAETrainer(**common, l1_penalty=0.3, sparsity_warmup_steps=None, warmup_steps=0),
        "matryoshka": matryoshka_batch_top_k.MatryoshkaBatchTopKTrainer(**common, k=2, group_fractions=[0.2, 0.3, 0.5], warmup_steps=0),
    }  # fmt: skip
    for name, trainer in cases.items():
        ae = trainer.ae
        b = {"relu_l1": "bias", "gated": "decoder_bias"}.get(name, "b_dec")
        own = {"encoder.weight": weights["encoder"], "decoder.weight": weights["decoder"], b: weights["bias"]}
        if name == "gated":
            own |= {"gate_bias": weights["gate_bias"], "mag_bias": weights["magnitude_bias"], "r_mag": weights["log_scale"]}
        elif name in {"jumprelu", "matryoshka"}:
            own = {"W_enc": weights["encoder"].T, "W_dec": weights["decoder"].T, "b_enc": weights["encoder_bias"], "b_dec": weights["bias"]}
        else:
            own["encoder.bias"] = weights["encoder_bias"]
        if name == "jumprelu":  # it does not subtract b_dec from its input: fold it into the encoder's bias
            own["threshold"] = np.exp(weights["log_threshold"])
            own["b_enc"] = weights["encoder_bias"] - weights["encoder"] @ weights["bias"]
        parameters = dict(ae.named_parameters())
        for key, value in own.items():
            parameters[key].data = torch.tensor(value)
        if hasattr(trainer, "num_tokens_since_fired"):
            trainer.num_tokens_since_fired = torch.tensor(np.where(dead, 10**9, 0))
        rows = torch.tensor(x)
        loss = trainer.loss(rows, step=0)
        loss.backward()
        if hasattr(trainer, "num_tokens_since_fired"):
            trainer.num_tokens_since_fired = torch.tensor(np.where(dead, 10**9, 0))
        logged = trainer.loss(rows, step=0, logging=True)
        hats = logged.recon if name == "jumprelu" else logged.x_hat
        yield name, out(logged.f, hats, {**logged.losses, "loss": loss}, {key: parameters[key].grad for key in own})


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.meta_path.append(Finder())
    weights, x, dead = given()
    golden = {"weights": {name: of.tolist() for name, of in weights.items()}, "x": x.tolist(), "dead": dead.tolist()}
    golden["sae_lens 6.54.0"] = dict(sae_lens(weights, x, dead))
    golden["dictionary_learning 0.1.0"] = dict(dictionary_learning(weights, x, dead))
    print(json.dumps(golden))
