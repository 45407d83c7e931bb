// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "report/report.hpp"
#include "storage/atomic.hpp"
#include "tables/table.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

constexpr std::uint64_t kResamples = 10000;

struct Options {
  std::vector<std::string> runs;
  std::string output;
  std::string split = "test";
  std::uint64_t relations = 100;
  std::uint64_t resamples = kResamples;
  bool json = false;
};

// Before any work. The ending keeps files of a run from being written over.
void check_output(const Options& options) {
  if (options.output.empty() && !options.json)
    fail(ExitStatus::kUsage, "name the page with --output FILE.html, or ask for the figures with --json");
  tables::check_output(options.output);
  const std::string ending = std::filesystem::path(options.output).extension().string();
  if (!options.output.empty() && ending != ".html" && ending != ".htm")
    fail(ExitStatus::kUsage, "'{}' does not end in .html: --output names an HTML page", options.output);
}

void report(const comm::Communicator& comm, const Options& options) {
  check_output(options);
  report::EvaluationOptions evaluation;
  evaluation.split = find_split(options.split);
  evaluation.relations = options.relations;
  evaluation.threads = thread_count(Job{}, comm);
  const report::Report made = report::make_report(options.runs, evaluation, options.resamples);
  if (!options.output.empty()) storage::write_text(options.output, report::to_html(made));
  if (options.json) std::fputs((report::to_json(made) + "\n").c_str(), stdout);
}

}  // namespace

Command add_report(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser
      .add("runs", options->runs,
           "Run folders, or their job files; the others are compared with the first, query by query")
      .required();
  parser.add("-o,--output", options->output, "The page: one HTML file that needs no network").check(not_empty());
  parser.add("--split", options->split, "The split whose ranks are shown: train, valid or test")
      .check(one_of({"train", "valid", "test"}))
      .show_default();
  parser.add("--relations", options->relations, "Relations that are shown, those with the most queries")
      .check(whole_number(1, 1000000))
      .show_default();
  parser.add("--resamples", options->resamples, "Bootstrap resamples for the differences; 0: only the differences")
      .check(whole_number(0, 1000000))
      .show_default();
  parser.add_flag("--json", options->json, "Print the figures of the page as JSON");
  parser.epilogue(
      "Examples:\n"
      "  tessera report RUN -o report.html\n"
      "  tessera report RUN_A RUN_B -o report.html --split valid\n"
      "docs/user/report.md says what the page shows.\n");
  return {[options](comm::Communicator& comm) { report(comm, *options); }};
}

}  // namespace tessera::cli
