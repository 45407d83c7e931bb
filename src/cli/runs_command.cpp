// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "report/run_list.hpp"
#include "tables/table.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string folder = ".";
  std::string sort = "name";
  bool json = false;
};

tables::Cell decimals(const std::optional<double>& value) {
  return value ? tables::Cell(fmt::format("{:.4f}", *value)) : tables::Cell();
}

tables::Row row_of(const report::ListedRun& run) {
  tables::Row row = {run.name};
  row.emplace_back(run.model);
  row.push_back(run.model.empty() ? tables::Cell() : tables::Cell(run.dim));
  row.emplace_back(fmt::format("{}/{}", run.epochs, run.of_epochs ? std::to_string(*run.of_epochs) : "?"));
  row.emplace_back(run.state);
  row.push_back(decimals(run.best_valid_mrr));
  row.push_back(run.best_valid_mrr ? tables::Cell(run.best_epoch) : tables::Cell());
  row.push_back(decimals(run.test_mrr));
  row.emplace_back(run.changed);
  row.emplace_back(run.fault);
  return row;
}

void print_table(const std::vector<report::ListedRun>& runs) {
  using tables::Type;
  const auto table = tables::open_table({{{"run"},
                                          {"model"},
                                          {"dim", Type::kWhole},
                                          {"epochs"},
                                          {"state"},
                                          {"valid MRR", Type::kDouble},
                                          {"at epoch", Type::kWhole},
                                          {"test MRR", Type::kDouble},
                                          {"changed"},
                                          {"what is wrong"}},
                                         tables::Format::kText},
                                        {});
  for (const report::ListedRun& run : runs) table->append(row_of(run));
  table->finish();
}

void list(const Options& options) {
  std::vector<report::ListedRun> runs = report::list_runs(options.folder);
  report::sort_runs(runs, options.sort);
  if (options.json)
    std::fputs((report::to_json(runs) + "\n").c_str(), stdout);
  else if (runs.empty())
    std::printf("no run folder beneath '%s'\n", options.folder.c_str());
  else
    print_table(runs);
}

}  // namespace

Command add_runs(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("folder", options->folder, "The folder that is searched for run folders").show_default();
  parser
      .add("--sort", options->sort,
           "name, model, state, epochs, valid_mrr, test_mrr or changed; the best or newest first")
      .check(one_of(report::sort_keys()))
      .show_default();
  parser.add_flag("--json", options->json, "Print JSON");
  parser.epilogue(
      "MRRs are filtered: of validation by train and valid, of the test split as 'tessera evaluate' says.\n"
      "A run that is damaged is listed with what is wrong.\n");
  return {[options](comm::Communicator& /*comm*/) { list(*options); }};
}

}  // namespace tessera::cli
