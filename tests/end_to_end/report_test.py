# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera report`: the figures of a page are those of --json, and those are the figures of the files."""

import json
import os
import re
import shutil
import stat
from html.parser import HTMLParser

import support
from support import ProgramTest

try:
    import h5py
    import numpy as np
except ImportError:
    np = None

USAGE, BAD_DATA, MISSING, IO = 64, 65, 66, 74
VOID = {"meta", "line", "rect", "circle", "polyline", "br"}
SCRIPT = '<script>alert("r")</script>'
IMAGE = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tables of a page by id, as rows of (text, title), and all tags; fails on elements that do not match."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.open, self.texts, self.table, self.cell = {}, [], [], [], None, None
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(attributes["id"], [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("th", "td"):
            self.cell = [[], attributes.get("title")]
            self.table[-1].append(self.cell)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        if tag in ("th", "td"):
            self.cell[:] = "".join(self.cell[0]), self.cell[1]
            self.cell = None

    def handle_data(self, data):
        self.texts.append(data)
        if self.cell is not None:
            self.cell[0].append(data)

    def text(self):
        return " ".join(self.texts)

    def columns(self, table, first=0):
        """The rows after the heading: text of the first cell -> the others."""
        return {row[0][0]: [tuple(cell) for cell in row[1:]] for row in self.tables[table][1:]}


class ReportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_named_graph("data.kg", seed=1)

    def make_named_graph(self, name, seed):
        """A graph in which names are markup."""
        text = self.write_triples(f"{name}.tsv", seed=seed).read_text()
        text = text.replace("\tr1\t", f"\t{SCRIPT}\t").replace("\tr2\t", "\ta & b's \"c\"\t").replace("e001\t", f"{IMAGE}\t")
        self.write(f"{name}.tsv", text)
        self.succeed("import", f"{name}.tsv", "--valid-fraction", "0.1", "--test-fraction", "0.1", "-o", name)
        self.succeed("partition", name, "--parts", 8)

    def train(self, run, *words, **keys):
        self.succeed("train", self.write_job(f"{run}.toml", **{"run.folder": f'"{run}"', **keys}), *words)

    def report(self, *words):
        """The page of some runs, and their figures as --json has them."""
        figures = json.loads(self.succeed("report", *words, "-o", "page.html", "--json"))
        return Page((self.folder / "page.html").read_text()), figures


class OneRun(ReportTest):
    def setUp(self):
        super().setUp()
        self.train("run", **{"optimiser.learning_rate": 0.5})
        self.evaluated = json.loads(self.succeed("evaluate", "run", "--json", "--by", "relation,class,degree"))
        self.page, self.figures = self.report("run")
        [self.run] = self.figures["runs"]

    def same(self, cell, value, digits=4):
        text, title = cell
        self.assertEqual(float(title), value)
        self.assertEqual(float(text.replace(",", "")), round(value, digits))

    def test_epochs(self):
        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        rows = self.page.tables["epochs-0"][1:]
        self.assertEqual((len(self.run["epochs"]), len(rows)), (4, 4))
        for line, epoch, row in zip(lines, self.run["epochs"], rows):
            for key in epoch:
                self.assertEqual(epoch[key], line[key], key)
            self.assertEqual(row[0][0], str(line["epoch"]))
            self.same(row[1], line["loss"])
            self.assertEqual("validation_mrr" in line, line["epoch"] % 2 == 0)
            if "validation_mrr" in line:
                self.same(row[2], line["validation_mrr"])
                self.same(row[3], line["validation_hits_at_10"])
            else:
                self.assertEqual(row[2][0], "–")
        self.assertEqual(sum(tag == "polyline" for tag, _ in self.page.tags), 2)

    def test_what_metrics_say_of_validation_and_place(self):
        *_, last = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        self.assertRegex(last["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(last["validation_filter"], "train, valid")
        self.assertEqual(last["host"], os.uname().nodename)
        self.assertNotIn("job_id", last)
        hits = [last[f"validation_hits_at_{k}"] for k in (1, 3, 10, 50, 100)]
        self.assertEqual(hits, sorted(hits))
        self.assertLessEqual(hits[0], last["validation_mrr"])
        self.succeed("train", "run.toml", "--resume", "train.epochs=5", "validate.every=0", SLURM_JOB_ID="77")
        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        self.assertEqual(lines[3], last)
        self.assertEqual(lines[4]["job_id"], "77")
        if np is not None:
            with h5py.File(self.folder / "run/metrics.h5") as file:
                stored = file["epochs/validation_hits_at_10"][:]
            self.assertEqual(stored[3], hits[2])
            self.assertTrue(np.isnan(stored[[0, 4]]).all())
        starts = [json.loads(line) for line in (self.folder / "run/starts.jsonl").read_text().splitlines()]
        self.assertEqual([start.get("job_id") for start in starts], [None, "77"])
        self.assertIn("77", [cell for row in self.report("run")[0].tables["starts-0"] for cell, _ in row])

    def test_figures_of_the_evaluation(self):
        shown, evaluated = self.run["evaluation"], self.evaluated
        realistic = evaluated["all"]["realistic"]
        for key, value in realistic.items():
            self.assertEqual(shown[key], value, key)
        self.assertEqual(shown["interval"]["low"], evaluated["mrr_interval"]["low"])
        ranks = self.page.columns("ranks")
        self.same(ranks["MRR"][0], evaluated["mrr"])
        for k in (1, 3, 10, 50, 100):
            self.same(ranks[f"Hits@{k}"][0], realistic[f"hits_at_{k}"])
        self.same(ranks["mean rank"][0], realistic["mean_rank"], 2)
        self.assertEqual(ranks["known answers left out of"][0][0], evaluated["filter"])

    def test_figures_by_group(self):
        for grouping in ("relation", "class", "degree"):
            with self.subTest(grouping=grouping):
                expected = {group[grouping]: group for group in self.evaluated["by"][grouping]}
                shown = {group[grouping]: group for group in self.run["evaluation"][f"by_{grouping}"]}
                rows = self.page.columns(f"by-{grouping}")
                self.assertEqual(expected.keys(), shown.keys())
                self.assertEqual(list(shown), list(rows))
                for label, group in shown.items():
                    self.assertEqual(group["mrr"], expected[label]["both"]["mrr"])
                    self.assertEqual(group["queries"], expected[label]["both"]["queries"])
                    self.assertLessEqual(group["interval"]["low"], group["mrr"])
                    self.assertGreaterEqual(group["interval"]["high"], group["mrr"])
                    cells = rows[label][1:] if grouping == "relation" else rows[label]
                    self.assertEqual(int(cells[0][1]), group["queries"])
                    self.same(cells[1], group["mrr"])
                    self.assertEqual([float(end) for end in cells[2][1].split(" to ")],
                                     [group["interval"]["low"], group["interval"]["high"]])
                    self.same(cells[5], group["hits_at_10"])

    def test_histogram(self):
        if np is None:
            self.skipTest("numpy or h5py is missing")
        with h5py.File(self.folder / "run/evaluation-test.h5") as file:
            ranks = 1 + file["queries/n_greater"][:] + file["queries/n_equal"][:] / 2
        bars = self.run["evaluation"]["histogram"]
        self.assertEqual([bar["last"] for bar in bars][:5], [1, 3, 10, 30, 100][:len(bars)])
        low = 0
        for bar in bars:
            self.assertEqual(bar["queries"], ((ranks > low) & (ranks <= bar["last"])).sum())
            low = bar["last"]
        self.assertEqual(sum(bar["queries"] for bar in bars), len(ranks))
        self.assertEqual([int(title) for row in self.page.tables["histogram"][1:] for _, title in row[1:]],
                         [bar["queries"] for bar in bars])

    def test_memory_time_and_partition(self):
        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        self.assertEqual(self.run["memory"]["peak_bytes"], lines[-1]["peak_bytes"])
        planned = self.run["memory"]["planned_bytes"]
        for tag in ("rows", "state", "queries", "gradients"):  # the plan counts these to the byte
            self.assertEqual(planned[tag], lines[-1]["peak_bytes"][tag], tag)
        memory = self.page.columns("memory-table")
        self.assertEqual([int(title) for _, title in memory["rows"]], [lines[-1]["peak_bytes"]["rows"], planned["rows"]])
        for stage, seconds in self.run["time"]["stage_seconds"].items():
            self.assertAlmostEqual(seconds, sum(line["stage_seconds"][stage] for line in lines), places=9)
            self.assertEqual(float(self.page.columns("time-table")[stage][0][1]), seconds)
        plan = json.loads(self.succeed("info", "data.kg/parts-8", "--json"))
        self.assertEqual(len(self.run["partition"]["by_part"]), plan["parts"])
        self.assertIn("{:.1f} % of training queries cut".format(100 * self.run["partition"]["cut"]), plan["quality"])
        self.assertEqual(self.page.columns("parts")["training queries cut"][0][1], str(self.run["partition"]["cut"]))

    def test_names_are_escaped(self):
        text = (self.folder / "page.html").read_text()
        self.assertNotIn("<script", text)
        self.assertNotIn("<img", text)
        self.assertIn("&lt;script&gt;alert(&quot;r&quot;)&lt;/script&gt;", text)
        labels = [group["relation"] for group in self.run["evaluation"]["by_relation"]]
        self.assertEqual({SCRIPT, "a & b's \"c\""} - set(labels), set())
        self.assertEqual(list(self.page.columns("by-relation")), labels)
        self.assertFalse({"script", "img", "iframe", "link", "object"} & {tag for tag, _ in self.page.tags})
        for tag, attributes in self.page.tags:
            self.assertFalse({"src", "href", "action"} & attributes.keys(), (tag, attributes))
            self.assertFalse([name for name in attributes if name.startswith("on")], (tag, attributes))
        self.assertNotRegex(text, r"url\(|@import|https?:")

    def test_a_run_folder_with_a_hostile_name(self):
        name = "<b>&\"'\x01run"
        os.rename(self.folder / "run", self.folder / name)
        page, figures = self.report(name)
        self.assertEqual(figures["runs"][0]["name"], name)
        self.assertIn("<b>&\"'\\x01run", page.text())
        os.rename(self.folder / name, os.fsencode(self.folder) + b"/bad\xff")
        self.succeed("report", b"bad\xff", "-o", "page.html", "--json")
        self.assertIn("bad\\xff", (self.folder / "page.html").read_text())

    def test_outputs(self):
        self.refuse(USAGE, "report", "run", says=["--output", "--json"])
        self.refuse(USAGE, "report", "run", "-o", "run", says=["'run' is a folder"])
        self.refuse(USAGE, "report", "run", "-o", "run/metrics.jsonl", says=["'run/metrics.jsonl' does not end in .html"])
        self.refuse(MISSING, "report", "run", "-o", "nowhere/page.html", says=["'nowhere'"])
        self.refuse(MISSING, "report", "nowhere", "-o", "other.html", says=["'nowhere' does not exist"])
        self.refuse(MISSING, "report", "data.kg", "-o", "other.html", says=["'data.kg' is not a run folder", "job.toml"])
        self.refuse(USAGE, "report", *["run"] * 9, "-o", "other.html", says=["8 runs"])
        if os.getuid() != 0:
            (self.folder / "closed").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
            self.refuse(IO, "report", "run", "-o", "closed/page.html", says=["'closed'", "cannot be written"])
        before = (self.folder / "page.html").read_text()
        self.succeed("report", "run.toml", "-o", "page.html")  # by the job file, over an older page
        strip = lambda text: re.sub("<footer>.*</footer>", "", text)
        self.assertEqual(strip((self.folder / "page.html").read_text()), strip(before))

    def test_relations_are_cut(self):
        page, figures = self.report("run", "--relations", 2)
        evaluation = figures["runs"][0]["evaluation"]
        self.assertEqual(evaluation["relations"], 4)
        self.assertEqual(evaluation["by_relation"], self.run["evaluation"]["by_relation"][:2])
        self.assertIn("2 of 4 relations", page.text())


class Missing(ReportTest):
    def test_what_a_run_lacks_is_said(self):
        self.train("run", "train.epochs=0")
        page, figures = self.report("run")
        [run] = figures["runs"]
        self.assertEqual((run["epochs"], run["evaluation"]), ([], None))
        self.assertIn("tessera train", run["missing"]["learning"])
        self.assertIn("tessera evaluate run --split test", run["missing"]["evaluation"])
        for sentence in run["missing"].values():
            self.assertIn(sentence, page.text())
        _, valid = self.report("run", "--split", "valid")
        self.assertIn("--split valid", valid["runs"][0]["missing"]["evaluation"])

    def test_of_an_older_version_and_without_a_graph(self):
        self.train("run")
        self.succeed("evaluate", "run", "--resamples", 0)
        for name in ("starts.jsonl", "metrics.jsonl"):
            new = {"time", "host", "job_id", "validation_filter", "planned_bytes", "command_line", "git_commit", "tessera_version"}
            lines = [json.loads(line) for line in (self.folder / "run" / name).read_text().splitlines()]
            kept = [{key: value for key, value in line.items() if key not in new and "hits" not in key} for line in lines]
            self.write(f"run/{name}", "".join(json.dumps(line) + "\n" for line in kept))
        shutil.move(self.folder / "data.kg", self.folder / "moved.kg")
        page, figures = self.report("run")
        [run] = figures["runs"]
        self.assertEqual(set(run["missing"]), {"memory", "data", "partition"})
        self.assertIn("relation 3", page.columns("by-relation"))
        self.assertNotIn("interval", run["evaluation"])
        self.assertIsNone(run["memory"]["planned_bytes"])
        shutil.move(self.folder / "moved.kg", self.folder / "data.kg")
        self.succeed("train", "run.toml", "--resume", "train.epochs=5")  # older lines go on
        self.assertEqual(len(self.report("run")[1]["runs"][0]["epochs"]), 5)

    def test_another_graph_of_the_same_name(self):
        self.train("run")
        self.succeed("evaluate", "run")
        shutil.rmtree(self.folder / "data.kg")
        self.make_named_graph("data.kg", seed=2)
        page, figures = self.report("run")
        self.assertIn("another one", figures["runs"][0]["missing"]["data"])
        self.assertNotIn(SCRIPT, page.columns("by-relation"))

    def test_an_exported_model(self):
        self.train("run")
        self.succeed("export", "run", "-o", "model")
        self.succeed("evaluate", "model")
        page, figures = self.report("model")
        self.assertIn("exported model", figures["runs"][0]["missing"]["learning"])
        self.assertIsNotNone(figures["runs"][0]["evaluation"])

    def test_damage(self):
        self.train("run")
        self.succeed("evaluate", "run")
        for name, content in (("metrics.jsonl", b"{}\n"), ("starts.jsonl", b"[1]\n"), ("job.toml", b"[run\n"),
                              ("evaluation-test.h5", None)):
            with self.subTest(name=name):
                path = self.folder / "run" / name
                whole = path.read_bytes()
                path.write_bytes(whole[:len(whole) // 2] if content is None else content)
                self.refuse(BAD_DATA, "report", "run", "-o", "page.html", says=[name])
                path.write_bytes(whole)
        newest = sorted((self.folder / "run/checkpoints").iterdir())[-1] / "manifest.h5"
        newest.write_bytes(newest.read_bytes()[:200])
        self.refuse(BAD_DATA, "report", "run", "-o", "page.html", says=["manifest.h5"])


class SeveralRuns(ReportTest):
    def setUp(self):
        super().setUp()
        self.train("long", **{"train.epochs": 40, "optimiser.learning_rate": 0.5})
        self.train("short", **{"train.epochs": 1})
        for run in ("long", "short"):
            self.succeed("evaluate", run)

    def test_differences_are_those_of_compare(self):
        expected = json.loads(self.succeed("compare", "short", "long", "--json"))
        page, figures = self.report("short", "long")
        [difference] = figures["differences"]
        self.assertEqual((difference["first"], difference["second"]), ("short", "long"))
        for key in ("difference", "better", "worse", "p_value", "share_second_better", "resamples"):
            self.assertEqual(difference[key], expected[key], key)
        for key in ("low", "high", "standard_error"):
            self.assertEqual(difference["interval"][key], expected[key])
        [_, row] = page.tables["difference-table"]
        self.assertEqual(row[0][0], "long")
        self.assertEqual(float(row[1][1]), expected["difference"])
        self.assertEqual([float(end) for end in row[2][1].split(" to ")], [expected["low"], expected["high"]])
        by_label = [{group["relation"]: group["mrr"] for group in run["evaluation"]["by_relation"]} for run in figures["runs"]]
        for group in difference["by_relation"]:
            label = group["relation"]
            self.assertAlmostEqual(group["mean"], by_label[1][label] - by_label[0][label], places=12)
            self.assertEqual(float(page.columns("by-relation")[label][-1][1]), group["mean"])
        _, plain = self.report("short", "long", "--resamples", 0)
        self.assertNotIn("interval", plain["differences"][0])

    def test_runs_that_cannot_be_compared(self):
        self.make_named_graph("other.kg", seed=2)
        self.train("foreign", **{"data.graph": '"other.kg"'})
        self.succeed("evaluate", "foreign")
        self.train("raw", **{"train.epochs": 1})
        page, figures = self.report("short", "foreign", "raw", "long")
        reasons = [difference.get("refused") for difference in figures["differences"]]
        self.assertIn("their graphs differ", reasons[0])
        self.assertIn("'raw' has no evaluation of the test split", reasons[1])
        self.assertIsNone(reasons[2])
        for reason in reasons[:2]:
            self.assertIn(reason, page.text())
        self.assertEqual([row[0][0] for row in page.tables["difference-table"][1:]], ["long"])

    def test_runs_of_one_name_go_by_their_paths(self):
        (self.folder / "copy").mkdir()
        shutil.copytree(self.folder / "short", self.folder / "copy/short")
        _, figures = self.report("short", "copy/short")
        self.assertEqual([run["name"] for run in figures["runs"]], ["short", "copy/short"])
        self.assertEqual(figures["differences"][0]["difference"], 0)


class InABrowser(ReportTest):
    """A page in a real browser: no error, no request, no overflow, in two widths, light and dark."""

    def setUp(self):
        browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        driver = shutil.which("chromedriver")
        if browser is None or driver is None:
            self.skipTest("no browser: chromium or chromedriver is missing (packages chromium, chromium-driver)")
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
        except ImportError:
            self.skipTest("python3-selenium is missing")
        super().setUp()
        self.train("a-run-with-a-name-that-is-" + "very-" * 12 + "long", **{"train.epochs": 3})
        self.train("short", **{"train.epochs": 3})
        self.runs = ["a-run-with-a-name-that-is-" + "very-" * 12 + "long", "short"]
        for run in self.runs:
            self.succeed("evaluate", run)
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={self.folder}/profile"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.browser = webdriver.Chrome(service=Service(driver), options=options)
        self.addCleanup(self.browser.quit)
        self.browser.get("about:blank")
        list(self.requests())  # of the browser's own first page

    def show(self, page, width, scheme):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                     {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
        self.browser.get(page.as_uri())

    def requests(self):
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def test_pages(self):
        self.succeed("report", "short", "-o", "one.html")
        self.succeed("report", *self.runs, "-o", "two.html")
        colours = set()
        for name in ("one.html", "two.html"):
            page = self.folder / name
            for width in (400, 1400):
                for scheme in ("light", "dark"):
                    with self.subTest(page=name, width=width, scheme=scheme):
                        self.show(page, width, scheme)
                        self.browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
                        self.assertEqual(self.browser.execute_script("return innerWidth"), width)
                        self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth"), width)
                        colours.add((scheme, self.browser.execute_script("return getComputedStyle(document.body).backgroundColor")))
                        self.assertEqual(self.browser.get_log("browser"), [])
                        self.assertEqual(set(self.requests()) - {page.as_uri()}, set())
                        drawn = self.browser.execute_script(
                            "return [...document.querySelectorAll('svg')].filter(s => s.checkVisibility()).map(s => s.getBoundingClientRect().width)")
                        self.assertGreater(min(drawn), 40)
        self.assertEqual(len(colours), 2)


if __name__ == "__main__":
    support.main()
