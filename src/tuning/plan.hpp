// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "tuning/space.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tuning {

/// A search file, read and checked.
struct Search {
  std::string job_file;
  std::string folder;              ///< of the trials and their results
  std::string method = "halving";  ///< grid, random, halving
  std::uint64_t trials = 16;       ///< of random and halving
  std::uint64_t seed = 1;
  std::uint64_t eta = 3;           ///< of halving: one of so many goes on
  std::uint64_t first_epochs = 0;  ///< of halving; 0: the epochs of the job over eta^2
  std::string launch;              ///< words before `tessera train`: "mpirun -n 2"
  Job job;                         ///< of every trial, but for its settings
  std::vector<Settings> settings;  ///< of each trial
};

/// Reads a job file with settings, key=value each.
using JobReader = std::function<Job(const std::string& file, const Settings& settings)>;

/// Throws Error: kUsage with file and line for a mistake in the file, and for settings that no job can have;
/// kMissingInput.
Search read_search(const std::filesystem::path& file, const JobReader& read_job);

/// What came of training a trial up to some epochs.
struct Result {
  std::size_t trial = 0;
  std::uint64_t epochs = 0;  ///< that were asked for
  double mrr = 0;            ///< the best of its validations up to there
  std::uint64_t best_epoch = 0;
  double seconds = 0;   ///< of training, of all rounds
  std::string failure;  ///< empty: none
};

/// A round: trials that are trained up to the same number of epochs.
struct Round {
  std::uint64_t epochs = 0;
  std::vector<std::size_t> trials;
};

/// Epochs of each round: one round, or with halving first_epochs, eta times as many, ..., and those of the job.
std::vector<std::uint64_t> round_epochs(const Search& search);

/// The round that the results ask for: trials of it may have results. A round begins when the one before is complete,
/// with its best trials: one of eta, by MRR, then by number; trials that failed go no further. Nothing when all rounds
/// are complete. A function of the results, in any order: any number of workers tries the same settings.
std::optional<Round> current_round(const Search& search, const std::vector<Result>& results);

/// The last result of each trial, best first: by round, then by MRR, then by number; failures at the end.
std::vector<Result> standing(const std::vector<Result>& results);

}  // namespace tessera::tuning
