"""Which of three classifiers reads handwritten digits best, and does that hold with few training images?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.experiment import Experiment, Job, Metric, Progress


@dataclass(frozen=True)
class Params:
    """What a suite can vary."""

    model: Literal["logistic", "forest", "neighbors"] = "logistic"
    scaling: bool = False
    train_size: int = 200


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[dict[str, float]]:
    """Train on ``train_size`` images and score on 500 others; the job's seed decides which, and seeds the forest."""
    X, y = load_digits(return_X_y=True)
    for done, job in enumerate(jobs, start=1):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, train_size=job.params.train_size, test_size=500, stratify=y, random_state=job.seed
        )
        model = {
            "logistic": LogisticRegression(max_iter=2000),
            "forest": RandomForestClassifier(n_estimators=50, random_state=job.seed),
            "neighbors": KNeighborsClassifier(),
        }[job.params.model]
        if job.params.scaling:
            model = make_pipeline(StandardScaler(), model)
        probability = model.fit(X_train, y_train).predict_proba(X_test)
        guess = model.classes_[probability.argmax(axis=1)]
        yield {"accuracy": accuracy_score(y_test, guess), "log_loss": log_loss(y_test, probability)}
        progress(done / len(jobs))


EXPERIMENT = Experiment(
    params=Params,
    metrics=[
        Metric("accuracy", "Test accuracy", better="higher"),
        Metric("log_loss", "Test log loss", unit="nats", better="lower", scale="log"),
    ],
    run=run,
)
