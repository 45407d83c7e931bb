// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/recipe.hpp"
#include "cli/table_output.hpp"
#include "core/log.hpp"
#include "tuning/worker.hpp"

#include <atomic>
#include <csignal>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

struct Options {
  std::string file;
  TableOutput output;
};

std::atomic<bool> stop_requested{false};

void request_stop(int signal) {
  if (stop_requested.exchange(true)) std::_Exit(128 + signal);
}

bool stop_on_interrupt() {
  if (stop_requested.exchange(true)) return false;
  log::warning("Ctrl-C: the trial saves and the search ends; press it again to end now");
  return true;
}

std::vector<tables::Column> columns_of(const tuning::Search& search) {
  std::vector<tables::Column> columns = {
      {"trial", tables::Type::kText, "its run folder is SEARCH/trial"},
      {"validation_mrr", tables::Type::kDouble, "the best; none of a trial that failed"},
      {"best_epoch", tables::Type::kWhole, "epoch of that MRR"},
      {"epochs", tables::Type::kWhole, "epochs that it was given"},
      {"seconds", tables::Type::kDouble, "of training"}};
  for (const std::string& setting : search.settings.front())
    columns.push_back({setting.substr(0, setting.find('=')), tables::Type::kText, "key of the job"});
  columns.push_back({"failure", tables::Type::kText, "why it failed"});
  return columns;
}

void write(const tuning::Search& search, const std::vector<tuning::Result>& standing, tables::TableWriter& table) {
  for (const tuning::Result& result : standing) {
    const bool has_failed = !result.failure.empty();
    tables::Row row = {tuning::trial_name(result.trial), has_failed ? tables::Cell() : tables::Cell(result.mrr),
                       result.best_epoch, result.epochs, result.seconds};
    for (const std::string& setting : search.settings[result.trial])
      row.emplace_back(setting.substr(setting.find('=') + 1));
    row.push_back(has_failed ? tables::Cell(result.failure) : tables::Cell());
    table.append(row);
  }
  table.finish();
}

/// This program, wherever it was started from.
std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

void search(const Options& options) {
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM}) std::signal(signal, request_stop);
  options.output.check();
  const tuning::Search search = tuning::read_search(options.file, read_training_job);
  tuning::Worker worker(search, options.file, own_path());
  std::string epochs;
  for (const std::uint64_t count : tuning::round_epochs(search))
    epochs += fmt::format("{}{}", epochs.empty() ? "" : ", ", count);
  log::info("{} trials; epochs of each round: {}; results in '{}'", search.settings.size(), epochs, search.folder);
  const bool is_complete = worker.run(stop_requested);
  const std::vector<tuning::Result> standing = tuning::standing(worker.results());
  if (!is_complete) fail(ExitStatus::kStopped, "stopped on request; the same command goes on with '{}'", search.folder);
  write(search, standing, *options.output.open(columns_of(search)));
  if (!standing.front().failure.empty())
    fail(ExitStatus::kBadData, "all trials have failed, the first with {}; their output is in '{}'",
         standing.front().failure, search.folder);
  log::info("the best is '{}/{}': tessera evaluate {}/{}", search.folder, tuning::trial_name(standing.front().trial),
            search.folder, tuning::trial_name(standing.front().trial));
}

}  // namespace

Command add_search(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("search", options->file, "Search file (TOML): the job and the values to try").required();
  add_table_output(parser, options->output);
  parser.epilogue(
      "A search file:\n"
      "  [search]\n"
      "  job = \"job.toml\"          # of every trial, but for the keys below\n"
      "  folder = \"search\"         # of the trials, which are run folders\n"
      "  method = \"halving\"        # or \"random\", or \"grid\" of lists\n"
      "  trials = 16               # settings drawn at random\n"
      "  seed = 1\n"
      "  eta = 3                   # halving: one of so many goes on, for so many times the epochs\n"
      "  first_epochs = 0          # halving: epochs of the first round; 0: train.epochs / eta^2\n"
      "  launch = \"\"               # words before 'tessera train': \"mpirun -n 2\"\n"
      "  [space]\n"
      "  model.dim = [100, 200]\n"
      "  optimiser.learning_rate = { from = 0.01, to = 0.5, log = true }\n"
      "\n"
      "Trials are compared by their best validation MRR. The same command continues a search that has ended early.\n"
      "Started several times, on one machine or many, the commands share the trials (slurm/search.sbatch): the result\n"
      "is the same.\n");
  return {[options](comm::Communicator& /*comm*/) { search(*options); }, false, Interrupts::kOwnTerm,
          stop_on_interrupt};
}

}  // namespace tessera::cli
