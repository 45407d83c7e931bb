// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/run_list.hpp"

#include "checkpoint/checkpoint.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "evaluate/rank_file.hpp"
#include "report/run_figures.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/placement.hpp"
#include "train/loop/run_lock.hpp"

#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <tuple>

namespace tessera::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Training makes the folder of checkpoints first and the job file last.
bool is_run(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder / checkpoint::kCheckpointsFolder, ignored) ||
         fs::exists(folder / train::kMetricsLog, ignored) || fs::exists(folder / train::kStartsLog, ignored);
}

void find_runs(const fs::path& folder, std::vector<fs::path>& found) {
  if (is_run(folder)) {
    found.push_back(folder);
    return;
  }
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    const bool is_hidden = entry->path().filename().string().starts_with(".");
    if (!is_hidden && !entry->is_symlink(ignored) && entry->is_directory(ignored)) find_runs(entry->path(), found);
  }
  if (error) log::warning("folder '{}' cannot be read: {}", folder.string(), error.message());
}

std::time_t newest_change(const fs::path& folder) {
  std::time_t newest = 0;
  for (const char* name : {"", kJobFile, train::kMetricsLog, train::kStartsLog, checkpoint::kCheckpointsFolder}) {
    struct stat found {};
    if (stat((folder / name).c_str(), &found) == 0) newest = std::max(newest, found.st_mtime);
  }
  return newest;
}

void add_epochs(const fs::path& folder, ListedRun& run) {
  for (const train::EpochRecord& epoch : train::read_metrics(folder / train::kMetricsLog)) {
    run.epochs = epoch.epoch;
    if (!epoch.validation_mrr || *epoch.validation_mrr <= run.best_valid_mrr.value_or(-1)) continue;
    run.best_valid_mrr = epoch.validation_mrr;
    run.best_epoch = epoch.epoch;
  }
}

void add_state(const fs::path& folder, ListedRun& run) {
  if (const auto state = newest_state(folder)) run.state = state->finished ? "finished" : "stopped";
}

void add_test(const fs::path& folder, ListedRun& run) {
  const fs::path path = folder / evaluate::rank_file_name(graph::Split::kTest);
  if (!fs::exists(path)) return;
  const auto file = storage::FileReader::open_verified(path, evaluate::kEvaluationKind, evaluate::kEvaluationVersion);
  run.test_mrr = file.real("/metrics/all", "realistic_mrr");
  run.test_epoch = file.integer("/", "epoch");
}

// Does one thing with a run; a fault in it becomes part of the line.
void attempt(ListedRun& run, const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    run.fault += (run.fault.empty() ? "" : "; ") + std::string(error.what());
  }
}

ListedRun list_run(const fs::path& folder, const std::string& name) {
  ListedRun run;
  run.name = name;
  run.state = "no checkpoint";
  run.changed = time_in_words(newest_change(folder));
  attempt(run, [&] {
    const Job job = read_job(folder / kJobFile);
    run.model = job.model.name;
    run.dim = job.model.dim;
    run.of_epochs = job.train.epochs;
  });
  attempt(run, [&] { add_epochs(folder, run); });
  attempt(run, [&] { add_state(folder, run); });
  attempt(run, [&] { add_test(folder, run); });
  if (train::is_training(folder))
    run.state = "running";
  else if (!run.fault.empty())
    run.state = "damaged";
  return run;
}

template <class T>
Json or_null(bool is_known, const T& value) {
  return is_known ? Json(value) : Json();
}

}  // namespace

std::vector<ListedRun> list_runs(const fs::path& folder) {
  if (!fs::is_directory(folder))
    fail(ExitStatus::kMissingInput, "'{}' is no folder; name one that has run folders beneath it", folder.string());
  std::vector<fs::path> found;
  find_runs(folder, found);
  std::sort(found.begin(), found.end());
  std::vector<ListedRun> runs;
  for (const fs::path& run : found) {
    const fs::path relative = run.lexically_relative(folder);
    const bool is_itself = relative.empty() || relative == ".";
    runs.push_back(list_run(run, is_itself ? folder.string() : relative.string()));
  }
  return runs;
}

const std::vector<std::string>& sort_keys() {
  static const std::vector<std::string> keys = {"name", "model", "state", "epochs", "valid_mrr", "test_mrr", "changed"};
  return keys;
}

void sort_runs(std::vector<ListedRun>& runs, const std::string& key) {
  const auto ascending = [&](const auto& value) {
    std::stable_sort(runs.begin(), runs.end(), [&](const auto& a, const auto& b) { return value(a) < value(b); });
  };
  const auto descending = [&](const auto& value) {
    std::stable_sort(runs.begin(), runs.end(), [&](const auto& a, const auto& b) { return value(a) > value(b); });
  };
  if (key == "name") ascending([](const ListedRun& run) { return run.name; });
  if (key == "model") ascending([](const ListedRun& run) { return std::tuple(run.model.empty(), run.model, run.dim); });
  if (key == "state") ascending([](const ListedRun& run) { return run.state; });
  if (key == "epochs") descending([](const ListedRun& run) { return run.epochs; });
  if (key == "valid_mrr") descending([](const ListedRun& run) { return run.best_valid_mrr; });
  if (key == "test_mrr") descending([](const ListedRun& run) { return run.test_mrr; });
  if (key == "changed") descending([](const ListedRun& run) { return run.changed; });
}

std::string to_json(const std::vector<ListedRun>& runs) {
  Json out = Json::array();
  for (const ListedRun& run : runs)
    out.push_back({{"name", run.name},
                   {"model", or_null(!run.model.empty(), run.model)},
                   {"dim", or_null(!run.model.empty(), run.dim)},
                   {"epochs", run.epochs},
                   {"of_epochs", or_null(run.of_epochs.has_value(), run.of_epochs.value_or(0))},
                   {"state", run.state},
                   {"best_valid_mrr", or_null(run.best_valid_mrr.has_value(), run.best_valid_mrr.value_or(0))},
                   {"best_epoch", or_null(run.best_valid_mrr.has_value(), run.best_epoch)},
                   {"test_mrr", or_null(run.test_mrr.has_value(), run.test_mrr.value_or(0))},
                   {"test_epoch", or_null(run.test_mrr.has_value(), run.test_epoch)},
                   {"changed", run.changed},
                   {"fault", or_null(!run.fault.empty(), run.fault)}});
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera::report
