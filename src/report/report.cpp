// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/report.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::report {
namespace {

// Two runs of the same name go by their paths.
void tell_apart(std::vector<RunFigures>& runs) {
  std::vector<std::string> names;
  for (const RunFigures& run : runs) names.push_back(run.name);
  for (RunFigures& run : runs)
    if (std::count(names.begin(), names.end(), run.name) > 1) run.name = run.folder.string();
}

void add_groups(const EvaluationFigures& first, const EvaluationFigures& second, const EvaluationOptions& options,
                Difference& out) {
  std::vector<double> values;
  for (std::size_t i = 0; i < first.stored.ranks.size(); ++i)
    values.push_back(1 / second.stored.ranks[i] - 1 / first.stored.ranks[i]);
  for (std::size_t g = 0; g < out.by.size(); ++g)
    out.by[g] = evaluate::group_means({first.stored.queries, values, first.groups[g], first.by[g].size()},
                                      {.resamples = options.resamples}, options.threads);
}

Difference difference_of(const Report& report, std::size_t second) {
  Difference out;
  out.second = second;
  for (const std::size_t i : {std::size_t{0}, second})
    if (!report.runs[i].evaluation)
      out.why_not = fmt::format("'{}' has no evaluation of the {} split.", report.runs[i].name,
                                graph::name(report.options.split));
  if (!out.why_not.empty()) return out;
  const EvaluationFigures& a = *report.runs.front().evaluation;
  const EvaluationFigures& b = *report.runs[second].evaluation;
  try {
    out.comparison = evaluate::compare(a.stored, b.stored, {.resamples = report.resamples}, report.options.threads);
    add_groups(a, b, report.options, out);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    out.why_not = fmt::format("{}.", error.what());
  }
  return out;
}

}  // namespace

Report make_report(const std::vector<std::string>& runs, const EvaluationOptions& options, std::uint64_t resamples) {
  if (runs.size() > kMostRuns)
    fail(ExitStatus::kUsage, "a report shows up to {} runs side by side, not {}", kMostRuns, runs.size());
  Report report{options, resamples, {}, {}};
  for (const std::string& run : runs) report.runs.push_back(read_run(run, options));
  tell_apart(report.runs);
  for (std::size_t i = 1; i < report.runs.size(); ++i) report.differences.push_back(difference_of(report, i));
  return report;
}

}  // namespace tessera::report
