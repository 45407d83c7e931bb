// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/plan.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace tessera::tuning {
namespace {

void visit(Search& search, ConfigVisitor& visitor) {
  visitor.text("search.job", search.job_file, {});
  visitor.text("search.folder", search.folder, {});
  visitor.text("search.method", search.method, {"grid", "random", "halving"});
  visitor.integer("search.trials", search.trials, {1, static_cast<double>(Space::kMostTrials)});
  visitor.integer("search.seed", search.seed, {});
  visitor.integer("search.eta", search.eta, {2, 100});
  visitor.integer("search.first_epochs", search.first_epochs, {});
  visitor.text("search.launch", search.launch, {});
}

void require(const std::string& value, const char* key, const std::string& file) {
  if (value.empty()) fail(ExitStatus::kUsage, "{}: '{}' is missing", file, key);
}

/// Every job must be one that `tessera train` reads; keys of the search itself are not tried.
void check_settings(const Search& search, const JobReader& read_job, const std::string& file) {
  for (const Settings& settings : search.settings) {
    for (const std::string& setting : settings)
      for (const char* key : {"run.folder=", "train.epochs=", "data.graph="})
        if (setting.starts_with(key))
          fail(ExitStatus::kUsage, "{}: '{}' is no key that a search can try", file,
               std::string_view(key).substr(0, std::string_view(key).size() - 1));
    (void)read_job(search.job_file, settings);
  }
}

/// Whether a goes before b in a round.
bool is_better(const Result& a, const Result& b) {
  return std::tuple(!a.failure.empty(), -a.mrr, a.trial) < std::tuple(!b.failure.empty(), -b.mrr, b.trial);
}

}  // namespace

Search read_search(const std::filesystem::path& file, const JobReader& read_job) {
  ConfigValues values = read_toml_file(file);
  const Space space = Space::read(values, file.string());
  std::erase_if(values, [](const auto& value) { return value.first.starts_with("space."); });
  Search search;
  ConfigReader reader(values);
  visit(search, reader);
  reader.reject_unknown();
  require(search.job_file, "search.job", file.string());
  require(search.folder, "search.folder", file.string());
  search.job = read_job(search.job_file, {});
  if (search.job.validate.every == 0)
    fail(ExitStatus::kUsage, "'{}': validate.every is 0, and a search compares validations", search.job_file);
  if (search.method == "grid") {
    search.settings = space.grid();
  } else {
    for (std::uint64_t trial = 0; trial < search.trials; ++trial)
      search.settings.push_back(space.draw(search.seed, trial));
  }
  check_settings(search, read_job, file.string());
  return search;
}

std::vector<std::uint64_t> round_epochs(const Search& search) {
  const std::uint64_t all = search.job.train.epochs;
  std::vector<std::uint64_t> epochs;
  if (search.method == "halving")
    for (std::uint64_t e = search.first_epochs > 0 ? search.first_epochs
                                                   : std::max<std::uint64_t>(1, all / (search.eta * search.eta));
         e < all; e *= search.eta)
      epochs.push_back(e);
  epochs.push_back(all);
  return epochs;
}

std::optional<Round> current_round(const Search& search, const std::vector<Result>& results) {
  Round round;
  for (std::size_t trial = 0; trial < search.settings.size(); ++trial) round.trials.push_back(trial);
  for (const std::uint64_t epochs : round_epochs(search)) {
    round.epochs = epochs;
    std::vector<Result> of_round;
    for (const Result& result : results)
      if (result.epochs == epochs && std::count(round.trials.begin(), round.trials.end(), result.trial) > 0)
        of_round.push_back(result);
    if (of_round.size() < round.trials.size()) return round;
    std::sort(of_round.begin(), of_round.end(), is_better);
    const std::size_t kept = std::max<std::size_t>(1, round.trials.size() / search.eta);
    round.trials.clear();
    for (const Result& result : of_round)
      if (round.trials.size() < kept && result.failure.empty()) round.trials.push_back(result.trial);
    if (round.trials.empty()) break;  // all have failed
    std::sort(round.trials.begin(), round.trials.end());
  }
  return std::nullopt;
}

std::vector<Result> standing(const std::vector<Result>& results) {
  std::map<std::size_t, Result> last;
  for (const Result& result : results) {
    const auto [entry, is_new] = last.try_emplace(result.trial, result);
    if (!is_new && result.epochs > entry->second.epochs) entry->second = result;
  }
  std::vector<Result> standing;
  for (const auto& [trial, result] : last) standing.push_back(result);
  std::sort(standing.begin(), standing.end(), [](const Result& a, const Result& b) {
    const bool fails[2] = {!a.failure.empty(), !b.failure.empty()};
    if (fails[0] != fails[1]) return fails[1];
    return a.epochs != b.epochs ? a.epochs > b.epochs : is_better(a, b);
  });
  return standing;
}

}  // namespace tessera::tuning
