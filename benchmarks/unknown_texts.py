"""Texts unlike any table here: other languages, talk, noise and fragments. Written for this purpose."""

from __future__ import annotations

import random
import string
from typing import Final

_LANGUAGES = (
    "Was ist die Hauptstadt von Australien und wie viele Menschen leben dort?",
    "Erkläre mir bitte in einfachen Worten, wie eine Wärmepumpe funktioniert.",
    "Quelle est la différence entre une maladie virale et une maladie bactérienne ?",
    "Écris un poème sur la mer en automne.",
    "¿Cuáles son las causas principales de la inflación?",
    "Escribe una carta formal para pedir un aumento de sueldo.",
    "Qual è la ricetta della carbonara originale?",
    "Explique como funciona a fotossíntese.",
    "Объясните квантовую запутанность простыми словами.",
    "Сколько стоит перелёт из Москвы в Токио?",
    "请解释一下量子纠缠是什么意思？",
    "帮我写一封请假的邮件。",
    "日本の四季について教えてください。",
    "量子コンピュータとは何ですか？",
    "ما هي عاصمة أستراليا؟",
    "اكتب قصيدة عن البحر.",
    "भारत की राजधानी क्या है?",
    "한국의 역사를 간단히 설명해 주세요.",
    "Πώς λειτουργεί ένας ηλεκτρικός κινητήρας;",
    "Türkiye'nin en büyük gölü hangisidir?",
    "Jak działa silnik elektryczny?",
    "Hur fungerar en värmepump?",
)
_TALK = (
    "Write a haiku about autumn rain.",
    "Can you help me plan a trip to Lisbon next weekend?",
    "Summarise the plot of Hamlet in three sentences.",
    "My cat has stopped eating. What should I do?",
    "Write a cover letter for a job as a nurse.",
    "Translate 'good morning' to Italian.",
    "Tell me a joke about programmers.",
    "What should I cook tonight with eggs and spinach?",
)
_FRAGMENTS = ("", "x", "hi", "....", "!!!!!!!!!!!!", "a" * 30, "0 0 0 0 0 0 0 0", "\n\n\n")


def _noise(alphabet: str, seed: int, words: bool) -> tuple[str, ...]:
    """Twenty texts of random characters, cut into words or in one piece."""
    rng = random.Random(seed)
    texts = []
    for _ in range(20):
        lengths = [rng.randint(2, 10) for _ in range(rng.randint(5, 60))]
        parts = ["".join(rng.choices(alphabet, k=length)) for length in lengths]
        texts.append((" " if words else "").join(parts))
    return tuple(texts)


TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "other languages": _LANGUAGES,
    "talk and chores": _TALK,
    "random letters": _noise(string.ascii_lowercase, 0, words=True),
    "random characters": _noise(
        string.ascii_letters + string.digits + string.punctuation, 1, words=False
    ),
    "fragments and nothing": _FRAGMENTS,
}
