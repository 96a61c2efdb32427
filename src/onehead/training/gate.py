"""The soft task prior: which task a prompt belongs to, and what each model achieves there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.features import Lexicon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.training.examples import Examples, SparseMatrix

    Floats = NDArray[np.float64]

_LEAST_DOCUMENTS = 2
"""Word pieces in fewer training prompts say nothing about others."""
_MAX_RANK = 32
"""Columns of a lexicon: with more tasks than this, their weights are compressed."""
_ITERATIONS = 100


@dataclass(frozen=True, eq=False)
class TaskGate:
    """A linear task classifier over a lexicon and the dense features.

    tasks: names, [t]
    lexicon: r columns
    lexical: weights of the lexicon's columns, [r, t]
    dense: weights of the standardised vector and surface, [d, t]
    bias: [t]
    """

    tasks: tuple[str, ...]
    lexicon: Lexicon
    lexical: Floats
    dense: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a gate learns from.

    dense: the standardised vector and surface of each example, float32 [n, d]
    tasks: names, [t]
    labels: the task of each example, −1 where it is unknown, [n]
    """

    examples: Examples
    dense: NDArray[np.float32]
    tasks: tuple[str, ...]
    labels: NDArray[np.intp]


def tfidf(counts: SparseMatrix) -> tuple[SparseMatrix, NDArray[np.int32], NDArray[np.float32]]:
    """Sublinear tf-idf rows of length 1, sparse [n, k], the k pieces and their idf.

    idf as in scikit-learn: log((1 + n) / (1 + df)) + 1.
    """
    documents = np.asarray((counts > 0).sum(axis=0)).ravel()
    tokens = np.flatnonzero(documents >= min(_LEAST_DOCUMENTS, counts.shape[0]))
    n = counts.shape[0]
    idf = (np.log((1 + n) / (1 + documents[tokens])) + 1).astype(np.float32)
    return weigh(counts, tokens, idf), tokens.astype(np.int32), idf


def weigh(
    counts: SparseMatrix, tokens: NDArray[np.integer[Any]], idf: NDArray[np.float32]
) -> SparseMatrix:
    """The tf-idf rows [n, k] of other prompts, with known idf."""
    from scipy.sparse import diags
    from sklearn.preprocessing import normalize

    if len(tokens) == 0:  # prompts without a word in common
        return counts[:, tokens]
    weights = counts[:, tokens].copy()
    weights.data = 1 + np.log(weights.data)
    return normalize(weights @ diags(idf), copy=False).astype(np.float32)


def fit_gate(labelled: Labelled, strength: float) -> TaskGate:
    """Fit the classifier on the prompts whose task is known."""
    tasks, dense, labels = labelled.tasks, labelled.dense, labelled.labels
    words, tokens, idf = tfidf(labelled.examples.counts)
    known = labels >= 0
    coefficients, bias = _logistic(words[known], dense[known], labels[known], len(tasks), strength)
    k = words.shape[1]
    table, lexical = _compress(coefficients[:, :k].T)
    return TaskGate(tasks, Lexicon(tokens, idf, table), lexical, coefficients[:, k:].T, bias)


def held_out_probabilities(labelled: Labelled, strength: float, fold: NDArray[np.intp]) -> Floats:
    """Task probabilities [n, t] of every prompt by classifiers that did not see its fold [n]."""
    probabilities = np.empty((len(labelled.labels), len(labelled.tasks)))
    for number in np.unique(fold):
        here = fold == number
        probabilities[here] = softmax(logits_elsewhere(labelled, strength, ~here, here))
    return probabilities


def logits_elsewhere(
    labelled: Labelled, strength: float, known: NDArray[np.bool_], there: NDArray[np.bool_]
) -> Floats:
    """Logits [k, t] of the prompts `there` by a classifier fitted on the labelled of `known` [n]."""
    tasks, dense, labels = labelled.tasks, labelled.dense, labelled.labels
    counts, rest = labelled.examples.counts, known & (labels >= 0)
    words, tokens, idf = tfidf(counts[rest])
    coefficients, bias = _logistic(words, dense[rest], labels[rest], len(tasks), strength)
    k = words.shape[1]
    logits: Floats = weigh(counts[there], tokens, idf) @ coefficients[:, :k].T
    return logits + dense[there] @ coefficients[:, k:].T + bias


def softmax(logits: Floats) -> Floats:
    """Probabilities [n, t]."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def _logistic(
    words: SparseMatrix,
    dense: NDArray[np.float32],
    labels: NDArray[np.intp],
    t: int,
    strength: float,
) -> tuple[Floats, Floats]:
    """Coefficients [t, k + d] and bias [t]; a task without examples is never predicted."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    never = -30.0
    coefficients = np.zeros((t, words.shape[1] + dense.shape[1]))
    bias = np.full(t, never)
    present = np.unique(labels)
    if len(present) == 1:
        bias[present] = 0.0
        return coefficients, bias
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an early stop is regularisation here
        model.fit(hstack([words, csr_matrix(dense)]).tocsr(), labels)
    if len(present) == 2:  # scikit-learn keeps one row for two classes
        coefficients[present] = np.concatenate([-model.coef_, model.coef_]) / 2
        bias[present] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        coefficients[present], bias[present] = model.coef_, model.intercept_
    return coefficients, bias


def _compress(weights: Floats) -> tuple[Floats, Floats]:
    """Write weights [k, t] as a product [k, r] · [r, t], exact up to `_MAX_RANK` tasks."""
    t = weights.shape[1]
    if t <= _MAX_RANK or len(weights) == 0:
        return weights, np.eye(t)
    from sklearn.utils.extmath import randomized_svd

    left, values, right = randomized_svd(weights, _MAX_RANK, random_state=0)
    return left * values, right


def task_means(quality: Floats, labels: NDArray[np.intp], t: int, prior_count: float) -> Floats:
    """What each model achieves on each task [t, m], shrunk; no gaps.

    Each cell is the mean of its outcomes and of `prior_count` imagined ones at what an additive
    model on the logit scale expects (ability of the model + ease of the task): a model that was
    never run on a task gets just that.
    """
    member = np.eye(t)[labels[labels >= 0]]
    rows = quality[labels >= 0]
    known = ~np.isnan(rows)
    count = member.T @ known
    total = member.T @ np.where(known, rows, 0.0)
    expected = _additive(total, count)
    shrunk: Floats = (total + prior_count * expected) / (count + prior_count)
    return shrunk


def _additive(total: Floats, count: Floats, ridge: float = 1.0, steps: int = 50) -> Floats:
    """Probabilities [t, m] of logit p = base + ease[t] + ability[m], by penalised Newton steps."""
    overall = (total.sum() + 0.5) / (count.sum() + 1)
    base = np.log(overall / (1 - overall))
    ease, ability = np.zeros((total.shape[0], 1)), np.zeros((1, total.shape[1]))
    for _ in range(steps):
        for axis, effect in ((1, ease), (0, ability)):
            p = 1 / (1 + np.exp(-(base + ease + ability)))
            slope = (total - count * p).sum(axis=axis, keepdims=True) - ridge * effect
            curvature = (count * p * (1 - p)).sum(axis=axis, keepdims=True) + ridge
            np.add(effect, slope / curvature, out=effect)
    expected: Floats = 1 / (1 + np.exp(-(base + ease + ability)))
    return expected
