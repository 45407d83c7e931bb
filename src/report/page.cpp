// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/provenance.hpp"
#include "core/text.hpp"
#include "report/page_parts.hpp"
#include "report/style.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tessera::report {
namespace {

std::string title_of(const Report& report) {
  std::vector<std::string> names;
  for (const RunFigures& run : report.runs) names.push_back(run.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string epochs_in_words(const RunFigures& run) {
  if (!run.state) return run.epochs.empty() ? "no complete checkpoint" : fmt::format("{} epochs", run.epochs.size());
  return fmt::format("{} of {} epochs{}", run.state->epoch, run.job.train.epochs,
                     run.state->finished ? ", finished" : ", not finished");
}

void draw_headline(Html& html, const RunFigures& run) {
  const auto big = html.open("div", {{"class", "big"}});
  if (run.evaluation) {
    html.text(fmt::format("{:.4f} ", run.evaluation->mrr));
    html.element("small", fmt::format("{} MRR", run.evaluation->stored.split));
  } else if (const train::EpochRecord* best = run.best_epoch()) {
    html.text(fmt::format("{:.4f} ", *best->validation_mrr));
    html.element("small", "validation MRR");
  } else {
    html.element("small", "no MRR yet");
  }
}

// "filter train, valid" beside a figure of validation.
std::string filter_in_words(const train::EpochRecord& record) {
  return record.validation_filter.empty() ? "" : fmt::format(" (filter: {})", record.validation_filter);
}

void draw_card(Html& html, const RunFigures& run, std::size_t index) {
  const auto card = html.open("div", {{"class", "card " + colour(index)}});
  html.element("h2", run.name);
  draw_headline(html, run);
  if (run.evaluation && run.evaluation->interval)
    html.element("div",
                 fmt::format("{:g} % interval {:.4f} to {:.4f}", 100 * evaluate::kConfidence,
                             run.evaluation->interval->low, run.evaluation->interval->high),
                 {{"class", "soft"}});
  html.element("div", fmt::format("{}, dim {}; {}", run.job.model.name, run.job.model.dim, epochs_in_words(run)),
               {{"class", "soft"}});
  if (const train::EpochRecord* best = run.best_epoch())
    html.element("div",
                 fmt::format("best validation MRR {:.4f} after epoch {}{}", *best->validation_mrr, best->epoch,
                             filter_in_words(*best)),
                 {{"class", "soft"}});
}

std::vector<Cell> difference_row(const RunFigures& second, const Difference& difference, std::uint64_t resamples) {
  const evaluate::Comparison& c = *difference.comparison;
  std::vector<Cell> row = {words(second.name), signed_fixed(c.second_mrr - c.first_mrr)};
  if (resamples > 0) {
    row.push_back({fmt::format("{:+.4f} to {:+.4f}", c.difference.low, c.difference.high),
                   fmt::format("{} to {}", c.difference.low, c.difference.high)});
    row.push_back({fmt::format("{:.2g}", c.p_value), fmt::format("{}", c.p_value)});
  } else {
    row.insert(row.end(), 2, nothing());
  }
  row.push_back(whole(c.better));
  row.push_back(whole(c.worse));
  return row;
}

}  // namespace

void draw_cards(Html& html, const Report& report) {
  const auto cards = html.open("div", {{"class", "cards"}});
  for (std::size_t i = 0; i < report.runs.size(); ++i) draw_card(html, report.runs[i], i);
}

void draw_differences(Html& html, const Report& report) {
  if (report.differences.empty()) return;
  const auto section = html.open("section", {{"id", "differences"}});
  html.element("h2", fmt::format("Differences of the MRR from {}", report.runs.front().name));
  Table table{"difference-table",
              {{"run", std::nullopt, true}, {"difference"}, {"95 % interval"}, {"p"}, {"ranked higher"}, {"lower"}},
              {}};
  for (const Difference& difference : report.differences)
    if (difference.comparison)
      table.rows.push_back(difference_row(report.runs[difference.second], difference, report.resamples));
  if (!table.rows.empty()) {
    draw(html, table);
    html.element(
        "p",
        fmt::format("Both runs are compared query by query. Intervals and the two-sided p are from {} bootstrap "
                    "resamples of the triples, the same for both.",
                    text::with_thousands(report.resamples)),
        {{"class", "soft"}});
  }
  for (const Difference& difference : report.differences)
    if (!difference.comparison)
      html.element("p", fmt::format("{}: {}", report.runs[difference.second].name, difference.why_not),
                   {{"class", "missing"}});
}

std::string to_html(const Report& report) {
  Html html;
  html.constant("<!DOCTYPE html>\n");
  {
    const auto root = html.open("html", {{"lang", "en"}});
    {
      const auto head = html.open("head");
      html.constant("<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
      html.element("title", title_of(report) + " - Tessera report");
      html.constant("<style>");
      html.constant(kStyle);
      html.constant("</style>");
    }
    const auto body = html.open("body");
    {
      const auto header = html.open("header");
      html.element("h1", "Tessera report");
      const std::filesystem::path graph = report.runs.front().job.data.graph;
      html.element("p", fmt::format("{} on {}", title_of(report), graph.filename().string()), {{"class", "soft"}});
    }
    {
      const auto main = html.open("main");
      for (const auto draw_section : {draw_cards, draw_differences, draw_learning, draw_ranks, draw_groups, draw_memory,
                                      draw_times, draw_partition, draw_settings, draw_environment})
        draw_section(html, report);
    }
    const Provenance now = current_provenance();
    html.element("footer", fmt::format("tessera {} ({}), {}", now.version, now.git_commit, now.time_utc));
  }
  html.constant("\n");
  return html.str();
}

}  // namespace tessera::report
