"""Nonsense against true texts, and images of nothing against classes.

Each image has its true text and a nonsense text of each way: random letters, the letters of its true text in another
order within each word, and random nouns; each is drawn anew, so that comparisons are independent.  Images of noise and
of one colour are asked which class they are, and how sure the model is.  A model that scores nonsense as high as sense
cannot say "none of these".
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

from wordsight.audit.asked import asked, true_texts
from wordsight.audit.claims import Limit, bar, claim, share_of
from wordsight.audit.finding import Claim, Finding
from wordsight.audit.scenes import encoded, in_words
from wordsight.audit.subject import ModelSubject
from wordsight.base.arrays import Pixels
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.classified import PromptedTask
from wordsight.evaluate.encode import Scorer, image_embeddings, prompt_embeddings, text_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, share
from wordsight.text.caption_phrases import word_list

CHECK, TITLE = "gibberish", "Nonsense"
LEAD = (
    "Each image is compared with its true text and with nonsense, and images of noise and of one colour are classified."
)
LIMITS = (
    "Nonsense is drawn by rules; random nouns may be true of a photograph by chance, of drawn scenes they are not. "
    "What a model says of noise depends on the classes it may choose from."
)
BEATEN = 0.05  # share of images of which nonsense may win: one in twenty, a convention
SURE = 0.9  # a probability from which on an answer is taken as given
TRIES = 20  # of another order of letters: "a" has none, "ant" five in six
SIDE = 96  # pixels of images of nothing, as drawn scenes have
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
Generator = np.random.Generator


def run(subject: ModelSubject) -> Finding:
    """Return how often nonsense wins, and how sure the model is of images of nothing."""
    claims: list[Claim] = []
    measured = Measured([])
    for task in asked(subject, most=subject.images):
        for part in (_against_texts(subject, task), _of_nothing(subject, task)):
            claims += part.claims
            measured = measured.and_also(part.measured)
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _against_texts(subject: ModelSubject, task: PromptedTask) -> Finding:
    """Return how often a nonsense text scores at least as high as the true one, by way."""
    name, texts = task.spec.name, true_texts(task)
    images = image_embeddings(subject.model, task.images.images, name=name)
    known = list(dict.fromkeys(texts))
    rows = {text: row for row, text in enumerate(known)}
    true = (images * text_embeddings(subject.model, known)[[rows[text] for text in texts]]).sum(axis=1)  # (N,)
    claims: list[Claim] = []
    results: list[Result] = []
    bars: list[dict[str, object]] = []
    for way, make in NONSENSE.items():
        rng = np.random.default_rng([subject.seed, len(results)])
        nonsense = [make(text, rng) for text in texts]
        scores = (images * text_embeddings(subject.model, nonsense)).sum(axis=1)  # (N,)
        setting: dict[str, Value] = {"way": way, "example": nonsense[0], "chance": 0.5}
        result = share_of(f"{name}/gibberish/{way}", scores >= true, setting)
        margin = share(f"{name}/gibberish/{way}/margin", true - scores, setting={"unit": "number", "way": way})
        results += [result, margin]
        example = f"{in_words(name)}: {WAYS[way]} ({nonsense[0]!r})"
        sentence = f"{example} score at least as high as the true text for {{}} of the images."
        claims.append(claim(CHECK, result, sentence, Limit(BEATEN, "above"), about=way))
        bars.append(bar(WAYS[way].rstrip(","), result))
    title = "Images whose true text scores no higher than nonsense"
    return Finding(
        CHECK, TITLE, "", claims, Measured(results, [Detail(f"{name}/gibberish", title, "bars", {"rows": bars})])
    )


def _of_nothing(subject: ModelSubject, task: PromptedTask) -> Finding:
    """Return for images of nothing how often an answer looks sure, and which class attracts them."""
    name, names = task.spec.name, task.classified.names
    classes = prompt_embeddings(subject.model, task.prompts)
    results: list[Result] = []
    claims: list[Claim] = []
    rows: list[list[str]] = []
    for kind, make in NOTHING.items():
        rng = np.random.default_rng([subject.seed, 1, len(rows)])
        items = [encoded(make(rng)) for _ in range(subject.images)]
        cosines = products(image_embeddings(subject.model, items, name=f"{name}, {kind}"), classes)
        guesses = cosines.argmax(axis=1)
        first = int(np.bincount(guesses, minlength=len(names)).argmax())
        drawn = share_of(f"{name}/nothing/{kind}/first-class", guesses == first, {"class": names[first]})
        results.append(drawn)
        row = [kind, names[first], f"{100 * drawn.value:.0f} %"]
        if isinstance(subject.model, Scorer):
            sure = subject.model.probabilities(cosines).max(axis=1)
            result = share_of(f"{name}/nothing/{kind}/sure", sure >= SURE, {"probability": SURE})
            results.append(result)
            sentence = (
                f"{in_words(name)}: images of {kind} get a class with a probability of {100 * SURE:.0f} % or more in"
            )
            often = np.bincount(guesses[sure >= SURE], minlength=len(names))
            sentence += f" {{}}; most often {names[int(often.argmax())]!r}." if often.any() else " {}."
            claims.append(claim(CHECK, result, sentence, Limit(BEATEN, "above"), about=kind))
            row += [f"{100 * float(np.median(sure)):.0f} %", f"{100 * result.value:.0f} %"]
        rows.append(row)
    head = ["images of", "class they get most often", "share", "median probability", f"{100 * SURE:.0f} % or more"]
    table = {"head": head[: len(rows[0])], "rows": rows}
    return Finding(
        CHECK,
        TITLE,
        "",
        claims,
        Measured(results, [Detail(f"{name}/nothing", "What images of nothing are taken for", "table", table)]),
    )


def _random_letters(text: str, rng: Generator) -> str:
    return " ".join("".join(rng.choice(LETTERS, size=len(word))) for word in text.split())


def _shuffled_letters(text: str, rng: Generator) -> str:
    return re.sub(r"\w+", lambda word: _shuffled(word[0], rng), text)


def _shuffled(word: str, rng: Generator) -> str:
    """Return the letters of a word in an order that is not its own, where it has another."""
    for _ in range(TRIES):
        shuffled = "".join(rng.permutation(list(word)))
        if shuffled != word:
            return shuffled
    return word


def _random_nouns(text: str, rng: Generator) -> str:
    nouns = word_list("things") + word_list("animals") + word_list("scenes")
    return " ".join(nouns[int(i)].split()[0] for i in rng.integers(len(nouns), size=len(text.split())))


def _noise(rng: Generator) -> Pixels:
    return rng.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8)


def _one_colour(rng: Generator) -> Pixels:
    return np.full((SIDE, SIDE, 3), rng.integers(0, 256, size=3), dtype=np.uint8)


def _soft_noise(rng: Generator) -> Pixels:
    """Blots: 6 x 6 random colours, enlarged smoothly."""
    from PIL import Image

    small = Image.fromarray(rng.integers(0, 256, size=(6, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


NONSENSE: Mapping[str, Callable[[str, Generator], str]] = {
    "random-letters": _random_letters,
    "shuffled-letters": _shuffled_letters,
    "random-nouns": _random_nouns,
}
WAYS = {
    "random-letters": "random letters",
    "shuffled-letters": "the text's own letters, shuffled,",
    "random-nouns": "random nouns",
}
NOTHING: Mapping[str, Callable[[Generator], Pixels]] = {
    "noise": _noise,
    "blots": _soft_noise,
    "one colour": _one_colour,
}
