"""The Chinese lesson 01, as `tlkit lessons open 01 --language zh` opens it: texts, widgets, checks and figures."""

import json

import pytest

import tlkit as tl

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    path = tl.lessons.copy(tmp_path_factory.mktemp("copies"), language="zh")["01"]
    notebook = json.loads(path.read_text("utf-8"))
    drawing = f"import shutil\nshutil.copy({str(path.with_name('glossary.zh.md'))!r}, '.')\n"
    drawing += "from matplotlib import pyplot as plt\nfigure, ax = plt.subplots()\nax.set_xlabel('predicted class')\n"
    drawing += "tl.plots.describe(figure, 'no mistakes')"
    checking = "tl.lessons.check('01_pictures', ..., train=None, shots=20)"
    for place, source in ((4, drawing), (5, checking)):  # after the import, so that the test needs no training
        cell = {"cell_type": "code", "id": f"made{place}", "metadata": {}, "outputs": [], "execution_count": None}
        notebook["cells"].insert(place, cell | {"source": source})
    path.write_text(json.dumps(notebook), "utf-8")
    with open_lab(path) as lab:
        for number in range(4):
            lab.run_cell(number)
        yield lab


def test_the_texts_are_chinese(lab):
    first = lab.page.locator(".jp-NotebookPanel:visible .jp-MarkdownOutput h1").first
    assert any("\u4e00" <= letter <= "\u9fff" for letter in first.inner_text())


def test_a_check_and_a_figure_are_chinese(lab, tmp_path):
    expect(lab.output(2)).to_contain_text("还没有答案")
    expect(lab.output(1).locator("img[alt='没有错误']")).to_be_attached()


def test_a_prediction_is_chinese_and_kept_in_english(lab):
    output = lab.output(3)
    output.get_by_role("spinbutton", name="减小", exact=True).press("End")
    output.get_by_role("button", name="保存我的预测").click()
    expect(output.get_by_role("status").first).to_contain_text("你的预测已保存")


def test_a_link_opens_the_chinese_glossary_at_the_term(lab):
    lab.page.locator(".jp-NotebookPanel:visible").get_by_role("link", name="迁移增益").first.click()
    glossary = lab.page.locator(".jp-MarkdownViewer")
    expect(glossary.get_by_role("heading", name="transfer gain", exact=True)).to_be_in_viewport()
    expect(glossary.get_by_role("heading", name="术语表")).not_to_be_in_viewport()
    expect(glossary.get_by_text("（迁移增益）", exact=True)).to_be_in_viewport()


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
