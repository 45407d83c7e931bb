// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/working_copy.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tessera::train {
namespace {

// What the system takes at once, so that a transfer that fails names the bytes that were missing.
constexpr std::size_t kPieceBytes = std::size_t{64} << 20U;

class OpenFile {
 public:
  OpenFile(std::filesystem::path path, int flags)
      : path_(std::move(path)), descriptor_(open(path_.c_str(), flags | O_CLOEXEC)) {
    if (descriptor_ < 0) fail(ExitStatus::kIo, "'{}' cannot be opened: {}", path_.string(), std::strerror(errno));
  }
  ~OpenFile() { close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void read(std::uint64_t at, std::span<std::byte> bytes) const {
    move(at, bytes, "read",
         [&](std::byte* to, std::size_t count, off_t from) { return pread(descriptor_, to, count, from); });
    posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  }
  void write(std::uint64_t at, std::span<std::byte> bytes) const {
    move(at, bytes, "written",
         [&](const std::byte* from, std::size_t count, off_t to) { return pwrite(descriptor_, from, count, to); });
    sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE);  // else the system waits until its memory is short
  }

 private:
  template <class Transfer>
  void move(std::uint64_t at, std::span<std::byte> bytes, const char* verb, const Transfer& transfer) const {
    while (!bytes.empty()) {
      const ssize_t done = transfer(bytes.data(), std::min(bytes.size(), kPieceBytes), static_cast<off_t>(at));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0)
        fail(ExitStatus::kIo, "'{}' cannot be {} ({} from byte {} on): {}", path_.string(), verb,
             text::bytes(bytes.size()), at, done == 0 ? "the file is too short" : std::strerror(errno));
      at += static_cast<std::uint64_t>(done);
      bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
  }
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace

WorkingCopy::WorkingCopy(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder_.string(), error.message());
}

WorkingCopy::~WorkingCopy() {
  own_.clear();
  std::error_code ignored;
  std::filesystem::remove(folder_, ignored);  // only if it is empty
}

std::filesystem::path WorkingCopy::file_of(PartId part) const {
  return folder_ / fmt::format("part-{:04}.tables", part.value());
}

std::span<std::byte> WorkingCopy::allocate(PartId part, std::uint64_t bytes) {
  auto removed = std::make_unique<storage::Temporary>(file_of(part));
  Own own{std::move(removed), storage::MappedFile::create(file_of(part), bytes)};
  return own_.insert_or_assign(part, std::move(own)).first->second.file.bytes();
}

void WorkingCopy::put_away(PartId part) { own_.at(part).file.evict(); }

void WorkingCopy::read(PartId part, const model::PartTable& table) const {
  const OpenFile file(file_of(part), O_RDONLY);
  for (const model::TableBlock& block : model::table_blocks(table)) file.read(block.offset, block.bytes);
}

void WorkingCopy::write(PartId part, const model::PartTable& table) const {
  const OpenFile file(file_of(part), O_WRONLY);
  for (const model::TableBlock& block : model::table_blocks(table)) file.write(block.offset, block.bytes);
}

}  // namespace tessera::train
