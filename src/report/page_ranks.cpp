// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "report/page_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::report {
namespace {

using evaluate::Grouping;

bool has_evaluation(const RunFigures& run) { return run.evaluation.has_value(); }

bool is_any_evaluated(const Report& report) {
  return std::any_of(report.runs.begin(), report.runs.end(), has_evaluation);
}

// "hits_at_10" -> "Hits@10", "mean_rank" -> "mean rank".
std::string in_words(std::string figure) {
  constexpr const char* kHits = "hits_at_";
  if (figure.starts_with(kHits)) return "Hits@" + figure.substr(std::string(kHits).size());
  if (figure == "mrr_standard_error") return "standard error of the MRR";
  if (figure == "z_mrr") return "z of the MRR";
  if (figure == "z_mean_rank") return "z of the mean rank";
  if (figure == "adjusted_mrr") return "MRR, adjusted for chance";
  if (figure == "adjusted_mean_rank_index") return "mean rank index, adjusted for chance";
  std::replace(figure.begin(), figure.end(), '_', ' ');
  return figure;
}

/// A row for each figure of an evaluation, a column for each run.
Table figure_table(const Report& report) {
  Table table{"ranks", run_columns(report, "realistic ties", has_evaluation), {}};
  const auto add = [&](const std::string& title, const auto& cell) {
    std::vector<Cell>& row = table.rows.emplace_back(1, words(title));
    for (const RunFigures& run : report.runs)
      if (run.evaluation) row.push_back(cell(*run.evaluation));
  };
  add("MRR", [](const auto& e) { return fixed(e.mrr); });
  add("95 % interval", [](const auto& e) { return e.interval ? interval(*e.interval) : nothing(); });
  for (std::size_t i = 0; i < evaluate::figures({}).size() - 1; ++i) {
    const std::string figure =
        std::find_if(report.runs.begin(), report.runs.end(), has_evaluation)->evaluation->figures[i].first;
    const bool is_rank = figure.ends_with("mean_rank") || figure.starts_with("z_");
    add(in_words(figure), [&](const auto& e) { return fixed(e.figures[i].second, is_rank ? 2 : 4); });
  }
  add("MRR, pessimistic ties", [](const auto& e) { return fixed(e.pessimistic_mrr); });
  add("queries", [](const auto& e) { return whole(e.stored.queries.size()); });
  add("queries with something unseen", [](const auto& e) { return whole(e.unseen_queries); });
  add("entities", [](const auto& e) { return whole(e.entities); });
  add("epoch", [](const auto& e) { return whole(e.stored.epoch); });
  add("known answers left out of", [](const auto& e) { return Cell{e.stored.filter}; });
  return table;
}

std::string range_in_words(const RankRange& range) {
  return range.first == range.last ? text::with_thousands(static_cast<std::uint64_t>(range.last))
                                   : fmt::format("{}-{}", text::with_thousands(static_cast<std::uint64_t>(range.first)),
                                                 text::with_thousands(static_cast<std::uint64_t>(range.last)));
}

/// The longest histogram of the runs: the ranges of all others are its first ones.
const std::vector<RankRange>& longest_histogram(const Report& report) {
  const std::vector<RankRange>* longest = nullptr;
  for (const RunFigures& run : report.runs)
    if (run.evaluation && (longest == nullptr || run.evaluation->histogram.size() > longest->size()))
      longest = &run.evaluation->histogram;
  return *longest;
}

void draw_histogram(Html& html, const Report& report) {
  RowChart chart{"ranks of the targets: share of the queries", {}};
  Table table{"histogram", run_columns(report, "rank", has_evaluation), {}};
  const std::vector<RankRange>& ranges = longest_histogram(report);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    ChartRow& row = chart.rows.emplace_back(ChartRow{range_in_words(ranges[i]), {}});
    std::vector<Cell>& cells = table.rows.emplace_back(1, words(row.label));
    for (std::size_t r = 0; r < report.runs.size(); ++r) {
      if (!report.runs[r].evaluation) continue;
      const EvaluationFigures& evaluation = *report.runs[r].evaluation;
      const std::uint64_t queries = i < evaluation.histogram.size() ? evaluation.histogram[i].queries : 0;
      const double share = static_cast<double>(queries) / static_cast<double>(evaluation.stored.queries.size());
      row.marks.push_back({r, share, {}, {}, {}, fmt::format("{:.1f} %", 100 * share)});
      cells.push_back(whole(queries));
    }
  }
  draw(html, chart);
  draw_folded(html, "numbers of queries", table);
}

/// A group as the first run that has it describes it, with its figures in each run.
struct GroupRow {
  const GroupFigures* first = nullptr;
  std::vector<std::optional<std::size_t>> index;  ///< by run
};

std::vector<GroupRow> group_rows(const Report& report, Grouping grouping) {
  std::vector<GroupRow> rows;
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    if (!report.runs[r].evaluation) continue;
    const auto& groups = (*report.runs[r].evaluation)[grouping];
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto is_same = [&](const GroupRow& row) { return row.first->label == groups[g].label; };
      auto row = std::find_if(rows.begin(), rows.end(), is_same);
      if (row == rows.end()) row = rows.insert(rows.end(), {&groups[g], {}});
      row->index.resize(report.runs.size());
      row->index[r] = g;
    }
  }
  if (grouping != Grouping::kRelation)
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.first->key < b.first->key; });
  return rows;
}

const GroupFigures* figures_of(const Report& report, Grouping grouping, const GroupRow& row, std::size_t run) {
  if (!report.runs[run].evaluation || !row.index[run]) return nullptr;
  return &(*report.runs[run].evaluation)[grouping][*row.index[run]];
}

Mark mark_of(std::size_t run, const GroupFigures& group) {
  return {
      run, group.mrr.mean, group.mrr.interval.low, group.mrr.interval.high, {}, fmt::format("{:.4f}", group.mrr.mean)};
}

void draw_group_chart(Html& html, const Report& report, Grouping grouping, const std::string& title) {
  RowChart chart{title, {}};
  for (const GroupRow& group : group_rows(report, grouping)) {
    ChartRow& row = chart.rows.emplace_back(ChartRow{group.first->label, {}});
    for (std::size_t r = 0; r < report.runs.size(); ++r)
      if (const GroupFigures* figures = figures_of(report, grouping, group, r))
        row.marks.push_back(mark_of(r, *figures));
  }
  draw(html, chart);
}

void add_difference_cells(const Report& report, Grouping grouping, const GroupRow& group, std::vector<Cell>& cells) {
  for (const Difference& difference : report.differences) {
    if (!difference.comparison) continue;
    if (!group.index.front()) {
      cells.push_back(nothing());
      continue;
    }
    const auto& mean = difference.by.at(static_cast<std::size_t>(grouping))[*group.index.front()];
    cells.push_back({fmt::format("{:+.4f} ({:+.4f} to {:+.4f})", mean.mean, mean.interval.low, mean.interval.high),
                     fmt::format("{}", mean.mean)});
  }
}

std::vector<Cell> group_cells(const Report& report, Grouping grouping, const GroupRow& group) {
  std::vector<Cell> cells = {words(group.first->label)};
  if (grouping == Grouping::kRelation) cells.push_back({group.first->relation_class});
  cells.push_back(whole(group.first->mrr.queries));
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    if (!report.runs[r].evaluation) continue;
    const GroupFigures* figures = figures_of(report, grouping, group, r);
    if (figures == nullptr) {
      cells.insert(cells.end(), 2, nothing());
      continue;
    }
    cells.push_back(fixed(figures->mrr.mean));
    cells.push_back(interval(figures->mrr.interval));
    cells.back().mark = mark_of(r, *figures);
    if (report.runs.size() > 1) continue;
    for (const double value : {figures->tail_mrr, figures->head_mrr, figures->hits_at_10})
      cells.push_back(fixed(value));
  }
  add_difference_cells(report, grouping, group, cells);
  return cells;
}

Table group_table(const Report& report, Grouping grouping, const std::string& first_column) {
  Table table{fmt::format("by-{}", evaluate::name(grouping)), {{first_column, std::nullopt, true}}, {}};
  if (grouping == Grouping::kRelation) table.columns.push_back({"class"});
  table.columns.push_back({"queries"});
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    if (!report.runs[r].evaluation) continue;
    table.columns.push_back({report.runs.size() > 1 ? report.runs[r].name : "MRR", r});
    table.columns.push_back({"95 % interval"});
  }
  if (report.runs.size() == 1)
    for (const char* title : {"MRR of tails", "MRR of heads", "Hits@10"}) table.columns.push_back({title});
  for (const Difference& difference : report.differences)
    if (difference.comparison) table.columns.push_back({"difference", difference.second});
  for (const GroupRow& group : group_rows(report, grouping)) table.rows.push_back(group_cells(report, grouping, group));
  return table;
}

}  // namespace

void draw_ranks(Html& html, const Report& report) {
  const auto section = html.open("section", {{"id", "evaluation"}});
  html.element("h2", fmt::format("Ranks of the {} split", graph::name(report.options.split)));
  draw_missing(html, report, Section::kEvaluation);
  if (!is_any_evaluated(report)) return;
  draw_legend(html, report);
  const auto charts = html.open("div", {{"class", "charts"}});
  {
    const auto histogram = html.open("div");
    draw_histogram(html, report);
  }
  const auto figures = html.open("div", {{"class", "figures"}});
  draw(html, figure_table(report));
}

void draw_groups(Html& html, const Report& report) {
  if (!is_any_evaluated(report)) return;
  const auto section = html.open("section", {{"id", "groups"}});
  html.element("h2", "MRR by relation, class and degree");
  draw_legend(html, report);
  {
    const auto charts = html.open("div", {{"class", "charts"}});
    draw_group_chart(html, report, Grouping::kClass, "MRR by class of the relation");
    draw_group_chart(html, report, Grouping::kDegree, "MRR by training degree of the target");
  }
  draw_folded(html, "by class", group_table(report, Grouping::kClass, "class"));
  draw_folded(html, "by degree", group_table(report, Grouping::kDegree, "degree"));
  draw(html, group_table(report, Grouping::kRelation, "relation"));
  const EvaluationFigures& some = *std::find_if(report.runs.begin(), report.runs.end(), has_evaluation)->evaluation;
  html.element(
      "p",
      fmt::format("{} of {} relations, those with the most queries. A relation is N on a side with 1.5 answers "
                  "or more on average. Intervals hold 95 % of {} bootstrap resamples of the triples; those of groups "
                  "with few queries are too "
                  "narrow.",
                  text::with_thousands(some[Grouping::kRelation].size()), text::with_thousands(some.relations),
                  text::with_thousands(report.options.resamples)),
      {{"class", "soft"}});
}

}  // namespace tessera::report
