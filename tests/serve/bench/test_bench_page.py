"""The bench as people use it: labels, temperature, prompts, a batch and its losses, maps."""

import base64
import math

import httpx
import msgspec
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from wordsight.embeddings.model import load
from wordsight.explain.sanity import rank_correlation
from wordsight.serve.own.bench import batch_loss

HOSTILE = "<img src=x onerror=\"document.title='hurt'\"> & <b>bold</b>"
LABELS = ["red", "green", "blue", "grey"]
PAIRS = [("red", "red"), ("blue", "blue"), ("yellow", "yellow"), ("pink", "green")]  # image, its sentence


def number(text):
    """Return a number as the page writes it; "<0.1 %" is 0, ">99.9 %" is 100."""
    text = text.replace("−", "-").replace("%", "").strip()
    return {"<": 0.0, ">": 100.0}[text[0]] if text[0] in "<>" else float(text)


def column(page, which):
    return [
        number(one.inner_text().split("\n")[0])
        for one in page.locator(f"#bars .bar-row:not(.head) {which} .value").all()
    ]


def typed(page, labels):
    page.fill("#typed", "\n".join(labels))
    expect(page.locator("#bars .bar-row:not(.head) .label")).to_have_text(list(labels))


def softmax(values):
    shares = np.exp(values - np.max(values))
    return shares / shares.sum()


def cosines_of(coloured, images, texts):
    model = load(engine="fake")
    return model.score([coloured / f"{one}.png" for one in images], texts).astype(float)


@pytest.fixture
def bench(window, coloured):
    """The bench with the red image and labels of colours."""
    page = window("/bench")
    expect(page.locator("#grid td.pair-cell")).to_have_count(4)
    page.set_input_files("#file", coloured / "red.png")
    expect(page.locator("#shown")).to_have_attribute("alt", "red.png")
    typed(page, LABELS)
    return page


def test_labels_become_bars_as_they_are_typed(bench, coloured):
    (cosines,) = cosines_of(coloured, ["red"], LABELS)
    assert column(bench, ".cosine") == pytest.approx(cosines, abs=6e-4)
    assert column(bench, ".shared") == pytest.approx(100 * softmax(20 * cosines), abs=0.06)
    expect(bench.locator(".bar-row.best .label")).to_have_text("red")
    expect(bench.locator("#absolute")).to_contain_text("None of these?")
    bench.locator("#typed").press("End")
    bench.locator("#typed").press_sequentially("\nwhite\nred")
    expect(bench.locator("#bars .bar-row:not(.head)")).to_have_count(5)  # red is there already


def test_the_slider_moves_numbers_as_the_formula_says(bench, coloured):
    (cosines,) = cosines_of(coloured, ["red"], LABELS)
    before = []
    bench.on("request", lambda one: before.append(one.url))
    for exponent in ("-2.5", "-1", "0"):
        bench.locator("#tau-1").fill(exponent)
        expect(bench.locator("#temperature-labels output")).to_contain_text(f"{10 ** -float(exponent):.1f}")
        assert column(bench, ".shared") == pytest.approx(100 * softmax(cosines / 10 ** float(exponent)), abs=0.06)
    assert number(bench.locator("#tau-2").input_value()) == 0  # both sliders are one temperature
    bench.locator("#temperature-labels button").click()
    expect(bench.locator("#temperature-labels output")).to_have_text(
        "τ = 0.050, scale 1/τ = 20.0: what the model learned"
    )
    assert column(bench, ".shared") == pytest.approx(100 * softmax(20 * cosines), abs=0.06)
    assert before == []  # nothing is asked for that
    bench.locator("#tau-1").press("ArrowRight")
    expect(bench.locator("#temperature-labels output")).not_to_contain_text("learned")


def test_a_prompt_is_put_around_labels_and_the_change_is_shown(bench, coloured):
    model = load(engine="fake")
    image = model.embed_images([coloured / "red.png"])
    plain = softmax(20 * (image @ model.embed_texts(LABELS).T)[0].astype(float))
    for choice, given in (("clip-7", "clip-7"), ("{}", ["a {} hat in a shop"])):
        bench.select_option("#prompt", choice)
        if choice == "{}":
            bench.fill("#own-prompt", given[0])
        expect(bench.locator("#prompt-said")).to_contain_text(model.class_prompts(["red"], given)[0][0])
        cosines = (image @ model.embed_classes(LABELS, given).T)[0].astype(float)
        assert column(bench, ".cosine") == pytest.approx(cosines, abs=6e-4)
        change = bench.locator(".shared .change").all_inner_texts()
        assert [number(one) for one in change] == pytest.approx(100 * (softmax(20 * cosines) - plain), abs=0.06)
    bench.fill("#own-prompt", "no slot")
    expect(bench.locator("#labels-problem")).to_have_text("Write {} where the label goes.")


def test_hostile_labels_and_sentences_stay_text(bench):
    typed(bench, [HOSTILE, "red"])
    bench.fill("#pairs input >> nth=0", HOSTILE)
    expect(bench.locator("#grid thead th").first).to_contain_text("<img")
    assert bench.locator("#bars img, #grid thead img").count() == 0
    assert "hurt" not in bench.title()


def test_an_image_that_cannot_be_read_says_so(bench, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    bench.set_input_files("#file", tmp_path / "broken.png")
    expect(bench.locator("#labels-problem")).not_to_be_empty()
    expect(bench.locator("#drop-text")).to_contain_text("broken.png")
    bench.forgiven.append("400")


def test_dropped_and_pasted_images_are_taken(bench, coloured):
    data = base64.b64encode((coloured / "blue.png").read_bytes()).decode()
    script = """([data, name, kind]) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, { type: "image/png" }));
        const event = kind === "paste"
            ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
            : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.getElementById(kind === "paste" ? "typed" : "drop").dispatchEvent(event);
    }"""
    for kind in ("paste", "drop"):
        bench.evaluate(script, [data, f"{kind}.png", kind])
        expect(bench.locator("#shown")).to_have_attribute("alt", f"{kind}.png")
        expect(bench.locator(".bar-row.best .label")).to_have_text("blue")


def worked(page, coloured):
    """Make the batch of PAIRS on the page."""
    page.set_input_files("#more", [coloured / f"{image}.png" for image, _ in PAIRS])
    expect(page.locator("#pairs li")).to_have_count(8)
    for _ in range(4):
        page.locator("#pairs .away").first.click()
    for position, (_, text) in enumerate(PAIRS):
        page.fill(f"#pairs input >> nth={position}", text)
    expect(page.locator("#grid thead .short")).to_have_text([text for _, text in PAIRS])


def losses(page):
    return [number(page.locator(f"#{one}").inner_text()) for one in ("loss-image", "loss-text", "loss-mean")]


def expected_losses(address, coloured, texts, **options):
    images = [base64.b64encode((coloured / f"{image}.png").read_bytes()).decode() for image, _ in PAIRS]
    body = {"images": images, "texts": texts, **options}
    answer = httpx.post(f"{address}/api/bench/matrix", json=body, trust_env=False).json()
    return answer["loss"], answer


def test_the_matrix_and_its_losses_are_those_of_the_server(bench, coloured, address):
    worked(bench, coloured)
    texts = [text for _, text in PAIRS]
    loss, answer = expected_losses(address, coloured, texts)
    shown = [number(one) for one in bench.locator("#grid tbody td").all_inner_texts() if "pair" not in one]
    flat = [value for i, row in enumerate(answer["cosines"]) for j, value in enumerate(row) if i != j]
    assert shown == pytest.approx(flat, abs=6e-4)
    assert losses(bench) == pytest.approx([loss["image"], loss["text"], loss["mean"]], abs=6e-4)
    expect(bench.locator("#steps tfoot")).to_contain_text(f"ln 4 = {math.log(4):.3f}")
    for view, field in (("rows", "image_to_text"), ("columns", "text_to_image")):
        bench.check(f"input[name=view][value={view}]")
        shares = bench.locator("#grid td.pair-cell").all_inner_texts()
        expected = [100 * answer[field][i][i] for i in range(4)]
        assert [number(text.split("%")[0]) for text in shares] == pytest.approx(expected, abs=0.06)
    bench.locator("#tau-2").fill("-0.5")
    bench.locator("#bias").fill("-3")
    loss, _ = expected_losses(address, coloured, texts, temperature=10**-0.5, bias=-3)
    assert losses(bench) == pytest.approx([loss["image"], loss["text"], loss["mean"]], abs=6e-4)
    assert number(bench.locator("#loss-sigmoid").inner_text()) == pytest.approx(loss["sigmoid"], abs=6e-4)
    bench.click("#bias-best")
    best = number(bench.locator("#loss-sigmoid").inner_text())
    near = [
        expected_losses(address, coloured, texts, temperature=10**-0.5, bias=one / 10)[0]["sigmoid"]
        for one in range(-60, 20)
    ]
    assert best == pytest.approx(min(near), abs=2e-3)


def test_a_sentence_that_is_moved_changes_the_loss(bench, coloured, address):
    worked(bench, coloured)
    before = losses(bench)[2]
    bench.locator("#pairs .grip").nth(0).drag_to(bench.locator("#pairs li").nth(1))
    expect(bench.locator("#grid thead .short")).to_have_text(["blue", "red", "yellow", "green"])
    loss, _ = expected_losses(address, coloured, ["blue", "red", "yellow", "green"])
    assert losses(bench)[2] == pytest.approx(loss["mean"], abs=6e-4)
    assert losses(bench)[2] > before + 1
    expect(bench.locator("#moved")).to_contain_text("the loss went from")
    bench.locator("#pairs .up").nth(1).focus()
    bench.keyboard.press("Enter")
    expect(bench.locator("#grid thead .short")).to_have_text(["red", "blue", "yellow", "green"])
    assert losses(bench)[2] == pytest.approx(before, abs=1e-3)


def test_maps_under_a_true_and_a_misleading_sentence(bench, coloured):
    bench.fill("#true-text", "red")
    bench.fill("#false-text", "red")
    bench.click("#look")
    expect(bench.locator("#maps-problem")).to_have_text("Write two different sentences.")
    bench.fill("#false-text", "grey")
    bench.click("#look")
    expect(bench.locator(".maps figcaption .kind")).to_have_text(["True", "Misleading"])
    expect(bench.locator("#verdict")).to_contain_text("The two maps differ")
    assert bench.locator(".maps img").first.evaluate("image => image.naturalWidth") > 0
    bench.fill("#true-text", "a red thing")
    bench.fill("#false-text", "red thing")
    bench.click("#look")
    expect(bench.locator("#verdict")).to_contain_text("nearly the same")


def test_an_image_of_a_library_by_its_key(window, coloured):
    page = window("/bench?library=colours&key=blue.png")
    typed(page, LABELS)
    (cosines,) = cosines_of(coloured, ["blue"], LABELS)
    assert column(page, ".cosine") == pytest.approx(cosines, abs=6e-4)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_everyone_can_use_it(window, width, scheme):
    page = window("/bench", width=width, scheme=scheme)
    expect(page.locator("#grid td.pair-cell")).to_have_count(4)
    for one in page.locator("details summary").all():
        one.click()
    page.locator("#pairs .down").first.click()
    page.check("input[name=view][value=rows]")
    page.wait_for_timeout(200)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_arithmetic_of_the_page(window):
    page = window("/bench")
    chance = np.random.default_rng(5)
    first, second = chance.integers(0, 5, (6, 6)).astype(float), chance.normal(size=(6, 6))
    cosines = chance.uniform(-0.1, 0.4, (5, 5))
    script = """async ([first, second, cosines]) => {
        const math = await import("/page/bench-math.js");
        const best = math.bestBias(math.batch(cosines, 0.05, 0).logits);
        return {
            correlation: math.rankCorrelation(first, second),
            same: math.rankCorrelation(first, first),
            even: math.rankCorrelation(first, first.map((row) => row.map(() => 1))),
            loss: math.batch(cosines, 0.05, -3).loss,
            best,
            around: [-0.05, 0, 0.05].map((step) => math.batch(cosines, 0.05, best + step).loss.sigmoid),
            guess: math.batch(cosines.map((row) => row.map(() => 0)), 0.05, -Math.log(4)).loss.sigmoid - math.sigmoidChance(5),
            siglip: math.shares([0.1, 0.2, 0.05], 0.01, -12),
            written: [math.percent(0.0001), math.percent(0.9999), math.percent(0), math.percent(1), math.fixed(-0.0001), math.fixed(-0.5, 1)],
        };
    }"""
    got = page.evaluate(script, [first.tolist(), second.tolist(), cosines.tolist()])
    assert got["correlation"] == pytest.approx(rank_correlation(first, second))
    assert (got["same"], got["even"]) == (pytest.approx(1), 0)
    loss = batch_loss(cosines / 0.05, -3.0)
    assert {name: got["loss"][name] for name in loss.__struct_fields__} == pytest.approx(msgspec.to_builtins(loss))
    assert got["around"][1] < min(got["around"][0], got["around"][2])
    assert got["guess"] == pytest.approx(0, abs=1e-12)
    alone = 1 / (1 + np.exp(-(np.array([10.0, 20.0, 5.0]) - 12)))
    assert got["siglip"] == pytest.approx(alone / alone.sum())
    assert got["written"] == ["<0.1 %", ">99.9 %", "0.0 %", "100.0 %", "0.000", "−0.5"]


def test_a_sigmoid_model_may_say_none_of_these(bench):
    cosines, bias = [0.02, 0.05, 0.01], -2.0
    alone = 1 / (1 + np.exp(-(20 * np.array(cosines) + bias)))

    def answer(route):
        known = route.fetch().json()
        known |= {"model": "siglip", "learned_with": "sigmoid", "bias": bias}
        route.fulfill(json=known | {"cosines": [cosines], "matches": [alone.tolist()]})

    bench.route("**/api/bench/matrix", answer)
    typed(bench, ["brown", "pink", "orange"])
    expect(bench.locator("#bars .head")).to_contain_text("For itself")
    assert column(bench, ".shared") == pytest.approx(100 * alone / alone.sum(), abs=0.06)
    itself = [number(one) for one in bench.locator("#bars .bar-row:not(.head) > .value").all_inner_texts()]
    assert itself == pytest.approx(100 * alone, abs=0.06)
    expect(bench.locator("#absolute")).to_contain_text("probably none of these: the likeliest, “pink”, has 26.9 %")
    expect(bench.locator("#model-line")).to_contain_text("sigmoid loss")
