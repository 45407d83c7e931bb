// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/run_lock.hpp"

#include "core/error.hpp"

#include <unistd.h>

#include <utility>

namespace tessera::train {

namespace {

std::filesystem::path whole_path(const std::filesystem::path& run_folder) {
  std::filesystem::path folder = std::filesystem::weakly_canonical(std::filesystem::absolute(run_folder));
  return folder.has_filename() ? folder : folder.parent_path();
}

std::filesystem::path lock_beside(const std::filesystem::path& folder) {
  return folder.parent_path() / fmt::format(".{}.training", folder.filename().string());
}

std::filesystem::path lock_within(const std::filesystem::path& folder) { return folder / ".training"; }

}  // namespace

bool is_training(const std::filesystem::path& run_folder) {
  const std::filesystem::path folder = whole_path(run_folder);
  return storage::FileLock::is_held(lock_beside(folder)) || storage::FileLock::is_held(lock_within(folder));
}

storage::FileLock lock_run(const std::filesystem::path& run_folder) {
  const std::filesystem::path folder = whole_path(run_folder);
  const std::filesystem::path parent = folder.parent_path();
  std::error_code ignored;
  std::filesystem::create_directories(parent, ignored);
  const bool beside = access(parent.c_str(), W_OK) == 0;
  const std::filesystem::path file = beside ? lock_beside(folder) : lock_within(folder);
  if (auto lock = storage::FileLock::try_lock(file)) return std::move(*lock);
  fail(ExitStatus::kUsage, "run folder '{}' is in use: {} trains there; wait for it, or choose another run.folder",
       run_folder.string(), storage::FileLock::holder(file));
}

}  // namespace tessera::train
