// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/atomic.hpp"

#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace tessera::storage {
namespace {
std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Follows links, also one to a place where nothing is yet, and drops a slash at the end.
std::filesystem::path followed(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as the kernel
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  for (int links = 0; std::filesystem::is_symlink(path, error); ++links) {
    if (links == kMostLinks) fail(ExitStatus::kUsage, "'{}' is a link that leads to itself", path.string());
    path = folder_of(path) / std::filesystem::read_symlink(path, error);
    if (!path.has_filename()) path = path.parent_path();
  }
  return path;
}

// Removes ".NAME.tmp-HOST-PID" of processes of this host that are no more.
void remove_stale(const std::filesystem::path& folder, const std::string& prefix) {
  std::error_code ignored;
  std::vector<std::filesystem::path> stale;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t process = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), process);
    const bool is_ours = error == std::errc() && end == name.data() + name.size() && process > 0;
    if (is_ours && kill(process, 0) != 0 && errno == ESRCH) stale.push_back(entry.path());
  }
  for (const auto& path : stale) std::filesystem::remove_all(path, ignored);
}

// The temporary name beside the final one; what was left of it earlier is gone.
std::filesystem::path fresh_temporary(const std::filesystem::path& final_path) {
  const std::string prefix = fmt::format(".{}.tmp-{}-", final_path.filename().string(), host_name());
  remove_stale(folder_of(final_path), prefix);
  return folder_of(final_path) / fmt::format("{}{}", prefix, getpid());
}

struct OpenTemporaries {
  std::mutex mutex;
  std::set<std::filesystem::path> paths;
};

OpenTemporaries& open_temporaries() {
  static auto* const all = new OpenTemporaries;  // never destroyed: a signal may come while the program ends
  return *all;
}

void rename_or_fail(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) fail(ExitStatus::kIo, "'{}' cannot be renamed to '{}': {}", from.string(), to.string(), error.message());
}

void commit_as(Temporary& temporary, const std::filesystem::path& final_path) {
  sync_path(temporary.path());
  fault_point("atomic.commit", Rank(0));
  rename_or_fail(temporary.path(), final_path);
  temporary.release();
  try {
    sync_path(folder_of(final_path));
  } catch (const Error& error) {
    fail(ExitStatus::kIo, "'{}' is whole, but may be lost with the power: {}", final_path.string(), error.what());
  }
}
}  // namespace

void fail_writing(const std::filesystem::path& file) {
  const int reason = errno;
  fail(ExitStatus::kIo, "writing '{}' failed{}{}", file.string(), reason == 0 ? "" : ": ",
       reason == 0 ? "" : std::strerror(reason));
}

void sync_path(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(ExitStatus::kIo, "'{}' cannot be opened: {}", path.string(), std::strerror(errno));
  const int status = fsync(descriptor);
  const int reason = errno;
  close(descriptor);
  if (status != 0) fail(ExitStatus::kIo, "'{}' cannot be flushed to disk: {}", path.string(), std::strerror(reason));
}

void require_writable(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::path there = std::filesystem::weakly_canonical(std::filesystem::absolute(folder), ignored);
  while (!std::filesystem::is_directory(there, ignored) && there.has_relative_path()) there = there.parent_path();
  const Temporary probe(fresh_temporary(there / "probe"));
  const int descriptor = open(probe.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const std::string block(4096, ' ');
  const bool is_written =
      descriptor >= 0 && write(descriptor, block.data(), block.size()) > 0 && fsync(descriptor) == 0;
  const int reason = errno;
  if (descriptor >= 0) close(descriptor);
  if (!is_written) fail(ExitStatus::kIo, "nothing can be written in '{}': {}", there.string(), std::strerror(reason));
}

void require_space(const std::filesystem::path& folder, std::uint64_t bytes) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (!error && space.available < bytes)
    fail(ExitStatus::kIo, "'{}' has {} free, {} are needed; nothing was written", folder.string(),
         text::bytes(space.available), text::bytes(bytes));
}

Temporary::Temporary(std::filesystem::path path) : path_(std::move(path)) {
  OpenTemporaries& all = open_temporaries();
  const std::scoped_lock lock(all.mutex);
  all.paths.insert(path_);
}

Temporary::~Temporary() {
  std::error_code ignored;
  if (!released_) std::filesystem::remove_all(path_, ignored);
  release();
}

void Temporary::release() {
  OpenTemporaries& all = open_temporaries();
  const std::scoped_lock lock(all.mutex);
  all.paths.erase(path_);
  released_ = true;
}

void remove_open_temporaries() {
  OpenTemporaries& all = open_temporaries();
  const std::scoped_lock lock(all.mutex);
  std::error_code ignored;
  for (const std::filesystem::path& path : all.paths)
    for (int attempt = 0; attempt < 100 && std::filesystem::exists(path, ignored); ++attempt)  // others may still write
      std::filesystem::remove_all(path, ignored);
}

AtomicFile::AtomicFile(std::filesystem::path final_path)
    : final_(std::move(final_path)), temporary_(fresh_temporary(final_)) {}

void AtomicFile::commit() { commit_as(temporary_, final_); }

void write_text(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  std::ofstream out(file.temporary(), std::ios::binary);
  out << text;
  out.close();
  if (!out) fail_writing(file.temporary());
  file.commit();
}

AtomicFolder::AtomicFolder(const std::filesystem::path& final_path)
    : final_(followed(final_path)), temporary_(fresh_temporary(final_)) {
  std::error_code error;
  if (std::filesystem::exists(final_, error))
    fail(ExitStatus::kUsage, "'{}' exists already; remove it first, or choose another place", final_.string());
  std::filesystem::remove_all(temporary_.path(), error);
  std::filesystem::create_directories(temporary_.path(), error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", temporary_.path().string(), error.message());
}

void AtomicFolder::commit() { commit_as(temporary_, final_); }

}  // namespace tessera::storage
