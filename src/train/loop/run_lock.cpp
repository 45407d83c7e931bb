// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/run_lock.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

namespace tessera::train {
namespace {

constexpr std::string_view kOwner = "process ";
constexpr std::string_view kKernel = "\nkernel ";
constexpr std::string_view kBeat = "\nbeat ";

// Names the running kernel of this host: processes with the same one see each other's locks.
std::string kernel_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

std::string job_id() {
  for (const char* name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"})
    if (const char* id = std::getenv(name); id != nullptr)  // NOLINT(concurrency-mt-unsafe): read once at start
      return fmt::format(", job {}", id);
  return {};
}

std::string this_owner() {
  const Provenance now = current_provenance();
  return fmt::format("{}{} on {}{}, since {}{}{}", kOwner, getpid(), now.host, job_id(), now.time_utc, kKernel,
                     kernel_id());
}

/// Without the heartbeat.
std::string owner_of(const std::string& content) { return content.substr(0, content.find(kBeat)); }

std::string first_line(const std::string& content) { return text::escaped(content.substr(0, content.find('\n'))); }

std::string who_holds(const std::optional<std::string>& content) {
  return content && content->starts_with(kOwner) ? first_line(*content) : "another process";
}

std::filesystem::path whole_path(const std::filesystem::path& run_folder) {
  std::filesystem::path folder = std::filesystem::weakly_canonical(std::filesystem::absolute(run_folder));
  return folder.has_filename() ? folder : folder.parent_path();
}

std::filesystem::path lock_beside(const std::filesystem::path& folder) {
  return folder.parent_path() / fmt::format(".{}.training", folder.filename().string());
}

std::filesystem::path lock_within(const std::filesystem::path& folder) { return folder / ".training"; }

// The folder itself is not there for the first training of a run.
std::filesystem::path lock_path(const std::filesystem::path& run_folder) {
  const std::filesystem::path folder = whole_path(run_folder);
  const std::filesystem::path parent = folder.parent_path();
  std::error_code ignored;
  std::filesystem::create_directories(parent, ignored);
  const bool beside = access(parent.c_str(), W_OK) == 0;
  return beside ? lock_beside(folder) : lock_within(folder);
}

[[noreturn]] void refuse(const std::filesystem::path& run_folder, const std::optional<std::string>& content) {
  fail(ExitStatus::kUsage, "run folder '{}' is in use: {} trains there; wait for it, or choose another run.folder",
       run_folder.string(), who_holds(content));
}

/// What a second writer found.
struct Contest {
  const std::filesystem::path& run_folder;
  const std::filesystem::path& path;
  RunLock::Beat beat;
};

// No clock of another host is read: the heartbeat is compared with itself.
void wait_for_sign_of_life(const Contest& contest, const std::string& found) {
  log::info("run folder '{}' was left locked by {}; waiting {} for a sign of life", contest.run_folder.string(),
            first_line(found), text::duration(std::chrono::duration<double>(contest.beat.patience).count()));
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < contest.beat.patience) {
    std::this_thread::sleep_for(contest.beat.every / 4);
    const auto now = storage::FileLock::content(contest.path);
    if (!now) return;
    if (*now != found) refuse(contest.run_folder, now);
  }
  log::info("run folder '{}': no sign of life; the lock is taken over", contest.run_folder.string());
}

void judge_holder(const Contest& contest, bool is_kept, const std::string& found) {
  if (found.empty()) return;
  if (!found.starts_with(kOwner))
    fail(ExitStatus::kBadData,
         "the lock file '{}' is damaged, or not of Tessera: it does not say who holds it; remove it if no training "
         "uses run folder '{}'",
         contest.path.string(), contest.run_folder.string());
  const std::string kernel = kernel_id();
  const bool is_of_this_host = !kernel.empty() && found.find(fmt::format("{}{}", kKernel, kernel)) != std::string::npos;
  if (!is_kept || !is_of_this_host) wait_for_sign_of_life(contest, found);
}

storage::FileLock take(const Contest& contest) {
  auto lock = storage::FileLock::try_lock(contest.path);
  if (!lock) refuse(contest.run_folder, storage::FileLock::content(contest.path));
  const std::string found = storage::FileLock::content(contest.path).value_or("");
  try {
    judge_holder(contest, lock->is_kept(), found);
  } catch (...) {
    lock->leave_file();
    throw;
  }
  return std::move(*lock);
}

}  // namespace

bool is_training(const std::filesystem::path& run_folder) {
  const std::filesystem::path folder = whole_path(run_folder);
  return storage::FileLock::is_held(lock_beside(folder)) || storage::FileLock::is_held(lock_within(folder));
}

RunLock::RunLock(const std::filesystem::path& run_folder, Beat beat)
    : run_folder_(run_folder),
      path_(lock_path(run_folder)),
      beat_(beat),
      lock_(take({run_folder_, path_, beat})),
      owner_(this_owner()) {
  write_beat();
  if (!lock_.is_kept()) {  // of two that take it at once, the later one stays
    std::this_thread::sleep_for(beat_.every / 2);
    const auto content = storage::FileLock::content(path_);
    if (content && owner_of(*content) != owner_) {
      lock_.leave_file();
      refuse(run_folder_, content);
    }
  }
  thread_ = std::thread([this] { go_on_beating(); });
}

RunLock::~RunLock() {
  {
    const std::scoped_lock lock(mutex_);
    is_over_ = true;
  }
  wake_.notify_all();
  thread_.join();
  const auto content = storage::FileLock::content(path_);
  if (content && owner_of(*content) != owner_) lock_.leave_file();
}

// Always of the same length: a reader finds the old or the new one.
void RunLock::write_beat() { lock_.write(fmt::format("{}{}{:020}\n", owner_, kBeat, ++beats_)); }

void RunLock::go_on_beating() {
  std::unique_lock lock(mutex_);
  bool has_warned = false;
  while (!wake_.wait_for(lock, beat_.every, [this] { return is_over_; })) {
    try {
      require_held();
      write_beat();
    } catch (const Error& error) {
      if (!std::exchange(has_warned, true)) log::warning("{}", error.what());
    }
  }
}

void RunLock::require_held() const {
  const auto content = storage::FileLock::content(path_);
  if (!content || owner_of(*content) == owner_) return;
  fail(ExitStatus::kIo,
       "run folder '{}' was taken over by {}: this process gave no sign of life for {}; nothing more is saved",
       run_folder_.string(), who_holds(content), text::duration(std::chrono::duration<double>(beat_.patience).count()));
}

}  // namespace tessera::train
