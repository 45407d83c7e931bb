// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/config.hpp"
#include "core/text.hpp"
#include "report/page_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::report {
namespace {

bool has_partition(const RunFigures& run) { return run.partition.has_value(); }

/// One value of each part of a run.
struct PartColumn {
  const char* title;
  std::uint64_t graph::PartFigures::*value;
};
constexpr std::array<PartColumn, 4> kPartColumns = {
    {{"entities of a part", &graph::PartFigures::rows},
     {"training queries of a part", &graph::PartFigures::queries},
     {"queries with a target elsewhere", &graph::PartFigures::cut_queries},
     {"entities of others that a part needs", &graph::PartFigures::halo_rows}}};

// "1,200 to 1,300, mean 1,250"
Cell spread(const std::vector<graph::PartFigures>& parts, std::uint64_t graph::PartFigures::*value) {
  std::uint64_t sum = 0;
  std::uint64_t least = parts.empty() ? 0 : parts.front().*value;
  std::uint64_t most = 0;
  for (const graph::PartFigures& part : parts) {
    sum += part.*value;
    least = std::min(least, part.*value);
    most = std::max(most, part.*value);
  }
  return {fmt::format("{} to {}, mean {}", text::with_thousands(least), text::with_thousands(most),
                      text::with_thousands(parts.empty() ? 0 : sum / parts.size()))};
}

Table partition_table(const Report& report) {
  Table table{"parts", run_columns(report, "partition", has_partition), {}};
  const auto add = [&](const std::string& title, const auto& cell) {
    std::vector<Cell>& row = table.rows.emplace_back(1, words(title));
    for (const RunFigures& run : report.runs)
      if (run.partition) row.push_back(cell(*run.partition));
  };
  const auto percent = [](const std::vector<graph::PartFigures>& parts) {
    const double cut = graph::cut_fraction(parts);
    return Cell{fmt::format("{:.1f} %", 100 * cut), fmt::format("{}", cut)};
  };
  add("parts", [](const auto& p) { return whole(p.part_count()); });
  add("method", [](const auto& p) { return Cell{p.method}; });
  add("training queries cut", [&](const auto& p) { return percent(p.figures); });
  add("cut by a random partition",
      [&](const auto& p) { return p.random_figures.empty() ? nothing() : percent(p.random_figures); });
  for (const PartColumn& column : kPartColumns)
    add(column.title, [&](const auto& p) { return spread(p.figures, column.value); });
  return table;
}

void draw_part_sizes(Html& html, const Report& report) {
  constexpr std::size_t kMostParts = 32;
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    const RunFigures& run = report.runs[r];
    if (!run.partition || run.partition->figures.size() > kMostParts) continue;
    RowChart chart{fmt::format("entities of each part, {}", run.name), {}};
    for (std::size_t p = 0; p < run.partition->figures.size(); ++p) {
      const std::uint64_t rows = run.partition->figures[p].rows;
      chart.rows.push_back(
          {fmt::format("part {}", p), {{r, static_cast<double>(rows), {}, {}, {}, text::with_thousands(rows)}}});
    }
    draw(html, chart);
  }
}

std::vector<ConfigLine> settings_of(Job job) {
  ConfigWriter writer;
  visit(job, writer);
  return writer.lines();
}

/// The settings of the runs, all or those that are not the defaults or differ between runs.
Table settings_table(const Report& report, bool are_all) {
  Table table{
      are_all ? "all-settings" : "settings", run_columns(report, "setting", [](const auto&) { return true; }), {}};
  const std::vector<ConfigLine> defaults = settings_of(Job{});
  std::vector<std::vector<ConfigLine>> settings;
  for (const RunFigures& run : report.runs) settings.push_back(settings_of(run.job));
  for (std::size_t k = 0; k < defaults.size(); ++k) {
    const bool is_default =
        std::all_of(settings.begin(), settings.end(), [&](const auto& s) { return s[k].value == defaults[k].value; });
    if (is_default && !are_all && !defaults[k].key.starts_with("model.")) continue;
    std::vector<Cell>& row = table.rows.emplace_back(1, words(defaults[k].key));
    for (const auto& lines : settings) row.push_back(words(lines[k].value));
  }
  return table;
}

void draw_graph(Html& html, const Report& report) {
  Table table{"data", run_columns(report, "graph", [](const auto& run) { return run.data.has_value(); }), {}};
  const auto add = [&](const std::string& title, const auto& value) {
    std::vector<Cell>& row = table.rows.emplace_back(1, words(title));
    for (const RunFigures& run : report.runs)
      if (run.data) row.push_back(whole(value(*run.data)));
  };
  add("entities", [](const auto& data) { return data.entities; });
  add("relations", [](const auto& data) { return data.relations; });
  for (const graph::Split split : graph::kSplits)
    add(fmt::format("{} triples", graph::name(split)),
        [&](const auto& data) { return data.triples.at(static_cast<std::size_t>(split)); });
  if (table.columns.size() > 1) draw(html, table);
}

std::string hardware_of(const train::Start& start) {
  std::string text = fmt::format("{} rank{}", start.ranks.size(), start.ranks.size() == 1 ? "" : "s");
  if (!start.ranks.empty()) text += ", " + start.ranks.front().computes_with;
  return text;
}

void draw_starts(Html& html, const RunFigures& run, std::size_t index) {
  Table table{fmt::format("starts-{}", index),
              {{"start after"},
               {"time"},
               {"host"},
               {"job"},
               {"ranks"},
               {"parts of each"},
               {"tessera"},
               {"command", std::nullopt, true}},
              {}};
  for (const train::Start& start : run.starts) {
    const train::Circumstances& at = start.circumstances;
    const auto known = [](const std::string& text) { return text.empty() ? nothing() : Cell{text}; };
    table.rows.push_back(
        {words(in_words(start.after)),
         known(at.program.time_utc),
         known(at.program.host),
         known(at.job_id),
         {hardware_of(start)},
         {start.placement},
         known(at.program.version.empty() ? "" : fmt::format("{} ({})", at.program.version, at.program.git_commit)),
         words(at.program.command_line)});
  }
  draw(html, table);
}

}  // namespace

void draw_partition(Html& html, const Report& report) {
  const auto section = html.open("section", {{"id", "partition"}});
  html.element("h2", "Partition");
  draw_missing(html, report, Section::kPartition);
  if (std::none_of(report.runs.begin(), report.runs.end(), has_partition)) return;
  draw(html, partition_table(report));
  const auto charts = html.open("div", {{"class", "charts"}});
  draw_part_sizes(html, report);
}

void draw_settings(Html& html, const Report& report) {
  const auto section = html.open("section", {{"id", "model"}});
  html.element("h2", "Model and data");
  draw_missing(html, report, Section::kData);
  draw_graph(html, report);
  draw(html, settings_table(report, false));
  draw_folded(html, "all settings", settings_table(report, true));
}

void draw_environment(Html& html, const Report& report) {
  const auto section = html.open("section", {{"id", "environment"}});
  html.element("h2", "Environment and commands");
  draw_missing(html, report, Section::kEnvironment);
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    const RunFigures& run = report.runs[r];
    html.element("p", run.folder.string(), {{"class", "run " + colour(r)}});
    if (!run.starts.empty()) draw_starts(html, run, r);
    if (!run.evaluation) continue;
    const auto line = html.open("p");
    html.text("Evaluation: ");
    html.element("code", run.evaluation->command_line);
    html.text(fmt::format(" ({})", run.evaluation->time_utc));
  }
}

}  // namespace tessera::report
