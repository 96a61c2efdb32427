"""The union of public outcome tables that the bundled router learns from, and what is done to it.

Four tables were made by different people for different ends. To learn one router for a user's own
prompts from them, names are matched, and a call's cost is what that user would pay:

- one name for one model and for one task, where tables call it differently (`ALIASES`, `TASKS`);
- the prompt is the question itself: examples that RouterBench puts before it go;
- input tokens are those of that prompt. MMLU-Pro's include five examples that its prompts lack;
- output tokens are counted only where a model wrote its answer out. A letter that was forced by
  "Answer:" says nothing about the length of an answer that a user would get;
- where a model's tokens are unknown, an additive model of task and model on the logarithm fills
  them in, so that the costs of models from different tables can be compared;
- costs are tokens × list price;
- base models (`NOT_OFFERED`) and models without a known price stay out. As further outcomes on the
  same prompts they did not make the others' estimates better: AIQ moved by less than 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from onehead.features import tokenizer
from onehead.outcomes import OutcomeTable
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """One table: where it lies below the data folder, and what is known about it.

    written: its tasks in which answers are written out rather than forced into one letter
    """

    name: str
    path: str
    title: str
    licence: str
    written: tuple[str, ...]


SOURCES: Final = (
    Source(
        "mmlu_pro",
        "mmlu_pro/outcomes.parquet",
        "MMLU-Pro, 14 domains, ten options, reasoning written out",
        "Apache-2.0",
        ("mmlu-pro-",),
    ),
    Source(
        "two_models",
        "mmlu_gsm8k_two_models/outcomes.parquet",
        "MMLU (57 subjects) and GSM8K, a strong and a weak model",
        "MMLU and GSM8K: MIT; outcomes: none known to us",
        ("gsm8k",),
    ),
    Source(
        "routerbench",
        "routerbench/routerbench_5shot_slice.csv",
        "RouterBench (arXiv 2403.12031), 5-shot: ARC-Challenge, Winogrande, MBPP",
        "none known to us",
        ("mbpp",),
    ),
    Source(
        "fourteen_tasks",
        "fourteen_tasks_no_cost/outcomes.parquet",
        "14 tasks: questions, mathematics, code, logic; without costs",
        "MIT",
        (),
    ),
)

ALIASES: Final = {
    "mistralai/mixtral-8x7b-chat": "Mixtral-8x7B-Instruct-v0.1",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "Mixtral-8x7B-Instruct-v0.1",
    "llama-3.1-8b-instruct": "Meta-Llama-3_1-8B-Instruct",
}
"""A table's name of a model → the pool's. Only names that surely mean the same weights: RouterBench's
mistral-7b-chat does not say its version, and Llama-2-70b-hf is not llama-2-70b-chat."""

PRICES: Final = {
    "WizardLM/WizardLM-13B-V1.2": (0.3, 0.3),
    "claude-instant-v1": (0.8, 2.4),
    "claude-v1": (8.0, 24.0),
    "claude-v2": (8.0, 24.0),
    "gpt-3.5-turbo-1106": (1.0, 2.0),
    "gpt-4-1106-preview": (10.0, 30.0),
    "meta/code-llama-instruct-34b-chat": (0.776, 0.776),
    "meta/llama-2-70b-chat": (0.9, 0.9),
    "mistralai/mistral-7b-chat": (0.2, 0.2),
    "Mixtral-8x7B-Instruct-v0.1": (0.6, 0.6),
    "zero-one-ai/Yi-34B-Chat": (0.8, 0.8),
}
"""USD per million input and output tokens by which RouterBench computed its costs (its table 5). Other
tables hold tokens and costs, from which prices follow."""

NOT_OFFERED: Final = {
    "Llama-2-7b-hf": "base",
    "Llama-2-13b-hf": "base",
    "Llama-2-70b-hf": "base",
    "Meta-Llama-3-8B": "base",
    "Meta-Llama-3-70B": "base",
    "Meta-Llama-3_1-8B": "base",
    "Meta-Llama-3_1-70B": "base",
    "Mistral-7B-v0.1": "base",
    "Mistral-7B-v0.2-hf": "base",
    "Mixtral-8x7B-v0.1": "base",
    "Qwen1.5-110B": "base",
    "Yi-6B": "base",
    "Yi-34B": "base",
    "gemma-7b": "base",
    "llama-3-8b-quantized": "quantized by hand, offered nowhere",
}
"""Models with a price that are no target for a chat, and why: base models continue a text."""

MMLU_FIELDS: Final = {
    "biology": "college_biology high_school_biology",
    "business": "business_ethics management marketing",
    "chemistry": "college_chemistry high_school_chemistry",
    "computer science": "college_computer_science computer_security "
    "high_school_computer_science machine_learning",
    "culture": "human_sexuality sociology",
    "economics": "econometrics high_school_macroeconomics high_school_microeconomics",
    "engineering": "electrical_engineering",
    "geography": "high_school_geography",
    "health": "anatomy clinical_knowledge college_medicine human_aging medical_genetics nutrition "
    "professional_medicine virology",
    "history": "high_school_european_history high_school_us_history high_school_world_history "
    "prehistory",
    "law": "international_law jurisprudence professional_law",
    "math": "abstract_algebra college_mathematics elementary_mathematics "
    "high_school_mathematics high_school_statistics",
    "moral scenarios": "moral_scenarios",
    "other": "global_facts miscellaneous professional_accounting",
    "philosophy": "formal_logic logical_fallacies moral_disputes philosophy world_religions",
    "physics": "astronomy college_physics conceptual_physics high_school_physics",
    "politics": "high_school_government_and_politics public_relations security_studies "
    "us_foreign_policy",
    "psychology": "high_school_psychology professional_psychology",
}
"""MMLU's subjects by its authors' fields (Hendrycks et al. 2021). Moral scenarios, two yes-or-no
questions in one, stay apart. Many subjects have too few prompts to tell them from their neighbours."""

TASKS: Final = {
    "arc_challenge": "arc-challenge",
    "agentverse-mgsm": "gsm8k",
    "mmlu": "mmlu without options",
} | {
    f"mmlu_{subject}": f"mmlu {field}"
    for field, subjects in MMLU_FIELDS.items()
    for subject in subjects.split()
}
"""A table's name of a task → ours."""

FREE_FORM: Final = frozenset(
    (
        "agentverse-logicgrid",
        "commongen",
        "gsm8k",
        "human_eval",
        "math",
        "mbpp",
        "natural_qa",
    )
)
"""Our tasks whose prompts are no exam question with options."""


LEFT_OUT_TASKS: Final = {
    "trivia_qa": "all nine models score about 0.2, small and large alike: its grading misses right answers",
}
"""Tasks whose outcomes say little about answers, and why."""


@dataclass(frozen=True, eq=False)
class Union:
    """What the router learns from.

    table: every prompt of every source; tokens and costs of every model on every prompt
    source: the number in `SOURCES` of each prompt's table, [n]
    unpriced: the models that stayed out for want of a price
    """

    table: OutcomeTable
    source: NDArray[np.intp]
    unpriced: tuple[str, ...]


def read_union(data: Path) -> Union:
    """Read the tables below `data` and put them together."""
    read = [_believable(read_outcomes([data / source.path])) for source in SOURCES]
    prices = _prices(read[:2]) | PRICES
    tables = [_priced_alike(table, source) for table, source in zip(read, SOURCES, strict=True)]
    union = OutcomeTable.merge(tables)
    if union.n_prompts != sum(table.n_prompts for table in tables):
        raise SystemExit("two tables share a prompt: say which table it is counted to.")
    unpriced = tuple(model for model in union.models if model not in prices)
    kept = union.without([*unpriced, *NOT_OFFERED])
    source = np.repeat(np.arange(len(tables)), [table.n_prompts for table in tables])
    return Union(_with_costs(kept, prices), source, unpriced)


def _believable(table: OutcomeTable) -> OutcomeTable:
    """The table without the tasks that are left out."""
    return table.take(np.array([task not in LEFT_OUT_TASKS for task in table.tasks]))


def _prices(tables: list[OutcomeTable]) -> dict[str, tuple[float, float]]:
    """USD per million input and output tokens of the models whose tokens and costs are known."""
    from onehead.amounts import amounts_of

    found = {}
    for table in tables:
        for card in amounts_of(table).pool:
            prices = (card.input_usd_per_million or 0.0, card.output_usd_per_million or 0.0)
            name = ALIASES.get(card.id, card.id)
            if found.setdefault(name, prices) != prices:
                raise SystemExit(f"the tables disagree about the prices of {name}.")
    return found


def _priced_alike(table: OutcomeTable, source: Source) -> OutcomeTable:
    """The table under our names, its prompts bare, its tokens as a user would pay for them."""
    models = tuple(ALIASES.get(model, model) for model in table.models)
    prompts = table.prompts
    if source.name == "routerbench":
        prompts = tuple(text.rsplit("\n\n", 1)[-1] for text in prompts)
    output = table.output_tokens.copy()
    if source.name == "routerbench":
        # What was paid beyond the prompt; exact to a few per cent of the prompt's own tokens.
        price_in, price_out = np.array([PRICES[model] for model in models]).T * 1e-6
        spent = table.cost_usd - prompt_tokens(table.prompts)[:, None] * price_in
        output = np.maximum(spent / price_out, 1.0)
    output[[not task.startswith(source.written) for task in table.tasks]] = np.nan
    tasks = tuple(TASKS.get(task, task) for task in table.tasks)
    unknown = np.full(table.quality.shape, np.nan)
    return OutcomeTable(
        table.prompt_ids, prompts, tasks, models, table.quality, unknown, unknown, output
    )


def prompt_tokens(prompts: tuple[str, ...]) -> Floats:
    """Tokens of each prompt [n], by the bundled word pieces.

    They agree with the tables' own counts to a few per cent (see the model card).
    """
    ids_of = tokenizer().ids
    return np.array([max(len(ids_of(text)), 1) for text in prompts], dtype=np.float64)


def _with_costs(table: OutcomeTable, prices: dict[str, tuple[float, float]]) -> OutcomeTable:
    """Tokens and costs of every model on every prompt."""
    price_in, price_out = np.array([prices[model] for model in table.models]).T * 1e-6
    expected = _expected_tokens(table.output_tokens, table.tasks)
    output = np.where(np.isnan(table.output_tokens), expected, table.output_tokens)
    given = np.repeat(prompt_tokens(table.prompts)[:, None], table.n_models, axis=1)
    cost = given * price_in + output * price_out
    return replace(table, input_tokens=given, output_tokens=output, cost_usd=cost)


def _expected_tokens(tokens: Floats, tasks: tuple[str, ...], sweeps: int = 100) -> Floats:
    """Tokens [n, m] = task × model, fitted to the known means of each task and model.

    Least squares on the logarithm of the means, weighted by how many runs are behind each; effects
    are drawn to 0 as by 20 runs, so a task without any takes the length of a usual answer.
    """
    names, task = np.unique(np.array(tasks), return_inverse=True)
    member = np.eye(len(names))[task]
    known = ~np.isnan(tokens)
    count = member.T @ known
    total = member.T @ np.where(known, tokens, 0.0)
    level = np.log(np.maximum(total, 1.0) / np.maximum(count, 1.0))
    base = (count * level).sum() / count.sum()
    of_task, of_model = np.zeros((len(names), 1)), np.zeros((1, tokens.shape[1]))
    for _ in range(sweeps):
        for axis, effect in ((1, of_task), (0, of_model)):
            left = count * (level - base - of_task - of_model + effect)
            effect[:] = left.sum(axis=axis, keepdims=True) / (
                count.sum(axis=axis, keepdims=True) + 20.0
            )
    expected: Floats = np.exp(base + of_task + of_model)[task]
    return expected
