// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "memory/tag.hpp"
#include "report/page_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::report {
namespace {

bool has_epochs(const RunFigures& run) { return !run.epochs.empty(); }

bool is_any_trained(const Report& report) { return std::any_of(report.runs.begin(), report.runs.end(), has_epochs); }

// Of very many epochs, every tenth or so, and the last one.
constexpr std::size_t kMostEpochs = 2000;
std::size_t epoch_step(const RunFigures& run) {
  return std::max<std::size_t>(1, (run.epochs.size() + kMostEpochs - 1) / kMostEpochs);
}
bool is_shown(const RunFigures& run, std::size_t index) {
  return index % epoch_step(run) == 0 || index + 1 == run.epochs.size();
}

void draw_epochs(Html& html, const RunFigures& run, std::size_t index) {
  Table table{fmt::format("epochs-{}", index),
              {{"epoch"}, {"loss"}, {"validation MRR"}, {"Hits@10"}, {"rate"}, {"seconds"}, {"triples/s"}, {"ended"}},
              {}};
  for (std::size_t i = 0; i < run.epochs.size(); ++i) {
    if (!is_shown(run, i)) continue;
    const train::EpochRecord& epoch = run.epochs[i];
    const auto hits = std::find_if(epoch.validation_hits.begin(), epoch.validation_hits.end(),
                                   [](const auto& some) { return some.k == 10; });
    table.rows.push_back({whole(epoch.epoch),
                          fixed(epoch.loss),
                          epoch.validation_mrr ? fixed(*epoch.validation_mrr) : nothing(),
                          hits == epoch.validation_hits.end() ? nothing() : fixed(hits->share),
                          {fmt::format("{:.4g}", epoch.learning_rate), fmt::format("{}", epoch.learning_rate)},
                          fixed(epoch.seconds, 2),
                          whole(static_cast<std::uint64_t>(epoch.triples_per_second)),
                          {epoch.end.time_utc.empty() ? "–" : epoch.end.time_utc}});
  }
  const std::string which = epoch_step(run) > 1 ? fmt::format(", one of {}", epoch_step(run)) : "";
  draw_folded(html, fmt::format("epochs of {}{}", run.name, which), table);
}

void draw_curves(Html& html, const Report& report) {
  LineChart loss{"training loss", "epoch", {}};
  LineChart mrr{"validation MRR", "epoch", {}};
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    Line& losses = loss.lines.emplace_back(Line{r, {}});
    Line& validations = mrr.lines.emplace_back(Line{r, {}});
    const RunFigures& run = report.runs[r];
    for (std::size_t i = 0; i < run.epochs.size(); ++i) {
      const train::EpochRecord& epoch = run.epochs[i];
      if (is_shown(run, i)) losses.points.push_back({static_cast<double>(epoch.epoch), epoch.loss});
      if (epoch.validation_mrr) validations.points.push_back({static_cast<double>(epoch.epoch), *epoch.validation_mrr});
    }
  }
  const auto charts = html.open("div", {{"class", "charts"}});
  draw(html, loss);
  if (std::any_of(mrr.lines.begin(), mrr.lines.end(), [](const auto& line) { return !line.points.empty(); }))
    draw(html, mrr);
  else
    html.element("p", "No epoch was validated; 'validate.every' in the job says when to.", {{"class", "missing"}});
}

/// The plan of a run by tag; nothing where it is not known.
std::optional<std::uint64_t> planned(const RunFigures& run, std::size_t tag) {
  const train::Start* start = run.planned_start();
  if (start == nullptr) return std::nullopt;
  return start->circumstances.planned_bytes->at(tag);
}

/// A row with the bytes of a tag in all runs; nothing where all are 0.
std::optional<ChartRow> memory_row(const Report& report, std::size_t tag) {
  ChartRow row{memory::name(static_cast<memory::Tag>(tag)), {}};
  bool is_used = false;
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    const RunFigures& run = report.runs[r];
    if (run.epochs.empty()) continue;
    const std::uint64_t peak = run.epochs.back().peak_bytes.at(tag);
    Mark mark{r, static_cast<double>(peak), {}, {}, {}, text::bytes(peak)};
    if (const auto bytes_planned = planned(run, tag)) mark.target = static_cast<double>(*bytes_planned);
    is_used = is_used || peak > 0 || mark.target.value_or(0) > 0;
    row.marks.push_back(mark);
  }
  return is_used ? std::optional(row) : std::nullopt;
}

std::vector<Cell> memory_cells(const Report& report, std::size_t tag) {
  std::vector<Cell> cells = {words(memory::name(static_cast<memory::Tag>(tag)))};
  for (const RunFigures& run : report.runs) {
    if (run.epochs.empty()) continue;
    const auto bytes_planned = planned(run, tag);
    cells.push_back(bytes(run.epochs.back().peak_bytes.at(tag)));
    cells.push_back(bytes_planned ? bytes(*bytes_planned) : nothing());
  }
  return cells;
}

std::vector<Cell> time_cells(const Report& report, const std::string& label, double (*seconds)(const RunTimes&)) {
  std::vector<Cell> cells = {words(label)};
  for (const RunFigures& run : report.runs)
    if (!run.epochs.empty()) cells.push_back(fixed(seconds(run.times()), 2));
  return cells;
}

}  // namespace

void draw_learning(Html& html, const Report& report) {
  const auto section = html.open("section", {{"id", "learning"}});
  html.element("h2", "Learning curve");
  draw_missing(html, report, Section::kLearning);
  if (!is_any_trained(report)) return;
  draw_legend(html, report);
  draw_curves(html, report);
  for (std::size_t r = 0; r < report.runs.size(); ++r)
    if (has_epochs(report.runs[r])) draw_epochs(html, report.runs[r], r);
}

void draw_memory(Html& html, const Report& report) {
  if (!is_any_trained(report)) return;
  const auto section = html.open("section", {{"id", "memory"}});
  html.element("h2", "Memory against the plan");
  draw_missing(html, report, Section::kMemory);
  draw_legend(html, report);
  RowChart chart{"peak by purpose of the fullest rank; a line marks the plan", {}};
  Table table{"memory-table", {{"purpose", std::nullopt, true}}, {}};
  for (std::size_t r = 0; r < report.runs.size(); ++r)
    if (has_epochs(report.runs[r])) {
      table.columns.push_back({report.runs.size() > 1 ? report.runs[r].name : "peak", r});
      table.columns.push_back({"plan"});
    }
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    if (const auto row = memory_row(report, tag)) {
      chart.rows.push_back(*row);
      table.rows.push_back(memory_cells(report, tag));
    }
  const auto charts = html.open("div", {{"class", "charts"}});
  draw(html, chart);
  draw(html, table);
}

void draw_times(Html& html, const Report& report) {
  if (!is_any_trained(report)) return;
  const auto section = html.open("section", {{"id", "time"}});
  html.element("h2", "Time by stage");
  draw_legend(html, report);
  RowChart chart{"seconds in all epochs, of the rank that took longest", {}};
  Table table{"time-table", run_columns(report, "stage", has_epochs), {}};
  for (std::size_t stage = 0; stage < kStageCount; ++stage) {
    const std::string label = name(static_cast<Stage>(stage));
    ChartRow& row = chart.rows.emplace_back(ChartRow{label, {}});
    std::vector<Cell>& cells = table.rows.emplace_back(1, words(label));
    for (std::size_t r = 0; r < report.runs.size(); ++r) {
      if (!has_epochs(report.runs[r])) continue;
      const double seconds = report.runs[r].times().stages.seconds.at(stage);
      row.marks.push_back({r, seconds, {}, {}, {}, text::duration(seconds)});
      cells.push_back(fixed(seconds, 2));
    }
  }
  table.rows.push_back(time_cells(report, "training", [](const RunTimes& t) { return t.training_seconds; }));
  table.rows.push_back(
      time_cells(report, "stopped for checkpoints", [](const RunTimes& t) { return t.saving_seconds; }));
  const auto charts = html.open("div", {{"class", "charts"}});
  draw(html, chart);
  draw(html, table);
}

}  // namespace tessera::report
