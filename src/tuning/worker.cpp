// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/worker.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "storage/atomic.hpp"
#include "train/loop/run_lock.hpp"
#include "tuning/program.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace tessera::tuning {
namespace {

constexpr const char* kCopy = "search.toml";

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool has(const std::vector<Result>& results, std::size_t trial, std::uint64_t epochs) {
  return std::any_of(results.begin(), results.end(),
                     [&](const Result& result) { return result.trial == trial && result.epochs == epochs; });
}

/// The training of a worker that was killed may still be saving. False when it was stopped.
bool wait_for_run(const std::filesystem::path& run_folder, const std::atomic<bool>& stop) {
  while (!stop && train::is_training(run_folder)) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  return !stop;
}

}  // namespace

std::string trial_name(std::size_t trial) { return fmt::format("trial-{:04}", trial); }

Worker::Worker(const Search& search, const std::filesystem::path& search_file, std::string program)
    : search_(search), folder_(search.folder), program_(std::move(program)), log_(folder_) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder_.string(), error.message());
  const storage::FileLock held = lock();
  // The job file may change no more than the search may: both decide what a trial is.
  const std::string text = read_text(search_file) + "\n# the job of every trial:\n" + to_toml(search.job);
  const std::filesystem::path copy = folder_ / kCopy;
  if (!std::filesystem::exists(copy))
    storage::write_text(copy, text);
  else if (read_text(copy) != text)
    fail(ExitStatus::kUsage,
         "'{}' is of another search, or of another job file: compare '{}', or choose another folder", folder_.string(),
         copy.string());
}

storage::FileLock Worker::lock() const { return storage::FileLock::wait(folder_ / ".lock"); }

Worker::Next Worker::take_task() {
  const storage::FileLock held = lock();
  const std::vector<Result> results = log_.read();
  const std::optional<Round> round = current_round(search_, results);
  if (!round) return {std::nullopt, true};
  for (const std::size_t trial : round->trials) {
    if (has(results, trial, round->epochs)) continue;
    if (auto claim = storage::FileLock::try_lock(folder_ / fmt::format(".{}.claim", trial_name(trial))))
      return {Task{trial, round->epochs, std::move(*claim)}};
  }
  return {};
}

bool Worker::train(const Task& task, const std::atomic<bool>& stop) {
  if (!wait_for_run(trial_folder(task.trial), stop)) return false;
  std::istringstream launch(search_.launch);
  std::vector<std::string> words;
  for (std::string word; launch >> word;) words.push_back(word);
  words.insert(words.end(), {program_, "train", search_.job_file, "--resume",
                             fmt::format("run.folder={}", trial_folder(task.trial).string()),
                             fmt::format("train.epochs={}", task.epochs)});
  const Settings& settings = search_.settings[task.trial];
  words.insert(words.end(), settings.begin(), settings.end());
  const ProgramEnd end = run_program(words, folder_ / (trial_name(task.trial) + ".log"), stop);
  if (stop && end.status != 0) return false;
  Result result = end.status == 0 ? read_result(trial_folder(task.trial), task.trial, task.epochs)
                                  : Result{task.trial, task.epochs, 0, 0, 0, ""};
  if (end.status != 0) result.failure = fmt::format("status {}: {}", end.status, end.last_line);
  const storage::FileLock held = lock();
  log_.append(result);
  report(result);
  return true;
}

void Worker::report(const Result& result) const {
  const std::string settings = fmt::format("{}", fmt::join(search_.settings[result.trial], " "));
  if (!result.failure.empty())
    return log::warning("{} ({}) failed, {}", trial_name(result.trial), settings, result.failure);
  const Result best = standing(log_.read()).front();
  log::info("{} ({}): validation MRR {:.4f} after {} epochs; best so far {:.4f}, {}", trial_name(result.trial),
            settings, result.mrr, result.epochs, best.mrr, trial_name(best.trial));
}

bool Worker::run(const std::atomic<bool>& stop) {
  while (!stop) {
    const Next next = take_task();
    if (next.is_complete) return true;
    if (!next.task)
      std::this_thread::sleep_for(std::chrono::milliseconds(500));  // others work on the rest of the round
    else if (!train(*next.task, stop))
      return false;
  }
  return false;
}

}  // namespace tessera::tuning
